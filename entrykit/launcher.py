"""What runs before `boot` where an image's ENTRYPOINT is a launcher that `entrykit bake` wrote.

The launcher, a script, loads a file beside it: this module's code, and a record with the code of
the modules that every start needs and the parsed configuration; behind the record lie those that
some starts need. Unmarshalling the first takes 0.2 ms; finding, opening and checking as many `.pyc`
files takes 3.

Where the record does not fit any more, the package's own source is loaded instead. The
interpreter is compared by the launcher, before it reads any code; the package here, by its version
and by the sizes of its files: times do not survive the layers of an image.

Imported by every start: builtin modules only.
"""

import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType

    from entrykit.steps.configure import BakedConfiguration

    # Name, path and size of its file, whether it is a package, code; in the order in which they can
    # run.
    Module = tuple[str, str, int, bool, CodeType]
    # The content of __init__.py; the path of the file of this record; the modules of every start;
    # the names in each group of those of some starts, and how long it is, marshalled, after the
    # record; and the configuration.
    Record = tuple[bytes, str, list[Module], list[tuple[list[str], int]], BakedConfiguration]
else:
    from _frozen_importlib import ModuleSpec

_ANOTHER = "another entrykit than this one was baked"


def start(record: "Record", mask: set[int], end: int) -> None:
    """Start from what was baked; never return.

    `mask` are the signals that the process was given blocked: the launcher's first line blocks
    those that end a start, since Python else answers to INT with a traceback. `end` is where the
    record ends in its file.
    """
    version, file, modules, groups, configuration = record
    if not (_has_version(version, modules[0][1]) and _fit(modules)):
        start_from_source(configuration, mask, reason=_ANOTHER)
    if not _has_size(file, end + sum([length for _, length in groups])):
        start_from_source(configuration, mask, has_record=False)
    _put_modules(modules)
    for names, length in groups:
        sys.meta_path.insert(0, Group(names, file, end, length))
        end += length
    _run(configuration, mask)


def _has_version(version: bytes, path: str) -> bool:
    """Tell whether the file that says the package's version says the baked one's."""
    try:
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        is_it = posix.read(file, len(version) + 1) == version
        posix.close(file)
    except OSError:
        return False
    return is_it


def _fit(modules: "list[Module]") -> bool:
    """Tell whether modules' files are of the sizes that they had at the bake."""
    try:
        return [posix.stat(one[1]).st_size for one in modules] == [one[2] for one in modules]
    except OSError:
        return False


def _has_size(path: str, size: int) -> bool:
    """Tell whether a file is of a size."""
    try:
        return posix.stat(path).st_size == size
    except OSError:
        return False


class Group:
    """Modules that only some starts need: all are loaded when one of them is imported.

    From their source, where that is another one than was baked.

    One finder for the group, since each import that is left to importlib costs 60 µs
    (https://docs.python.org/3/reference/import.html#finders-and-loaders).
    """

    def __init__(self, names: list[str], file: str, offset: int, length: int) -> None:
        self._names = names
        self._place = file, offset, length

    def find_spec(self, name: str, *_: object) -> "ModuleSpec | None":
        """Load the group if `name` is one of it."""
        if name not in self._names:
            return None
        path, offset, length = self._place
        with open(path, "rb", 0) as file:
            file.seek(offset)
            modules = marshal.loads(file.read(length))
        if not _fit(modules):
            _say(_ANOTHER)
            # What is loaded already is as its source is, and what follows comes from there. A new
            # list: importlib goes through the old one now.
            sys.meta_path = [one for one in sys.meta_path if not isinstance(one, Group)]
            return None
        sys.meta_path.remove(self)
        _put_modules(modules)
        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: "ModuleSpec") -> object:
        """Return the module, which has run already."""
        return sys.modules[spec.name]

    def exec_module(self, _: object) -> None:
        """Do nothing: it has run."""


def start_from_source(
    configuration: "BakedConfiguration",
    mask: set[int],
    has_record: bool = True,  # noqa: FBT001, FBT002 - one word in a launcher
    reason: str = "it was baked for another Python",
) -> None:
    """Start from the package's own source, and say so in one line; never return.

    The configuration is parsed afresh: its form belongs to the entrykit that was baked.
    """
    try:
        _say(reason if has_record else "the launcher's record cannot be read")
    except ImportError:
        message = b"entrykit: the package entrykit is gone from this image (install it again)\n"
        posix.write(2, message)
        posix._exit(78)  # noqa: SLF001 - its public name
    path, content, _ = configuration
    _run((path, None if content is None else b"", None), mask)


def _say(reason: str) -> None:
    from entrykit.system import log  # from its source, or loaded already

    log.warn(f"{reason}: loads its source, more slowly", hint="run `entrykit bake` again")


def _put_modules(modules: "list[Module]") -> None:
    for name, path, _, is_package, code in modules:
        module = type(sys)(name)
        module.__file__ = path
        parent, _, last = name.rpartition(".")
        module.__package__ = name if is_package else parent
        if is_package:
            module.__path__ = [path.rpartition("/")[0]]
        sys.modules[name] = module
        if parent:
            setattr(sys.modules[parent], last, module)
        exec(code, module.__dict__)  # noqa: S102 - it is the package's own


def _run(configuration: "BakedConfiguration", mask: set[int]) -> None:
    from entrykit import boot  # just put there, or to be loaded now
    from entrykit.steps import inherited

    posix._exit(boot.run(inherited.arguments(), configuration, mask=mask))  # noqa: SLF001
