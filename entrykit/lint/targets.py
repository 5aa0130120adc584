"""What is looked at: the machine's own image, the tree of another, or some hook directories."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from entrykit.steps import configure, inherited, kinds, search
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

_CONFIGURATION = b"entrykit.toml"
_OWN = os.path.dirname(os.path.dirname(os.path.realpath(__file__))).encode() + b"/"
_NULL = b"/dev/null"
# As many links as the kernel follows (path_resolution(7)).
_MOST_LINKS = 40


@dataclass
class Target:
    """One image, or as much of one as is there.

    `root` is its tree, b"" for this machine's; `directories` its search path, None for the default
    one; `configuration` the path of its file, None where there is none, which `lies_outside` where
    it was named rather than found. `told` are the settings that ENTRYKIT_* variables give.
    `search_path` is the PATH of its hooks; `programs_are_here` says that interpreters are looked
    for on this machine: what is there of the image has none.
    """

    root: bytes = b""
    directories: list[bytes] | None = None
    configuration: bytes | None = None
    lies_outside: bool = False
    told: dict[str, bytes] = field(default_factory=dict)
    search_path: bytes = inherited.DEFAULT_SEARCH_PATH
    programs_are_here: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether all that a start would find is there: this machine, or a whole image."""
        return self.directories is None and not (self.root and self.programs_are_here)

    def shown(self, path: bytes) -> bytes:
        """Return a path as whoever named the root would write it."""
        is_outside = self.lies_outside and path == self.configuration
        if not self.root or is_outside or not path.startswith(b"/"):
            return path
        return self.root.rstrip(b"/") + path


def find(names: list[bytes], configuration: bytes | None, told: dict[str, bytes]) -> list[Target]:
    """Return what the arguments of `check` name; without any, the machine's own image.

    Hook directories that share a configuration are one search path, in their order. Raises
    StartError, status 2, where one is no directory.
    """
    here = os.environb.get(b"PATH") or inherited.DEFAULT_SEARCH_PATH
    if not names:
        path = configuration or told.get("config")
        if path is None and os.path.lexists(configure.DEFAULT_PATH):
            path = configure.DEFAULT_PATH
        return [Target(configuration=path, told=told, search_path=here)]
    found: list[Target] = []
    by_configuration: dict[bytes, Target] = {}
    for given in names:
        name = given.rstrip(b"/") or given[:1]
        if not os.path.isdir(name):
            what = "it is no directory" if os.path.lexists(name) else "no such directory"
            raise StartError(f"cannot check {log.text(name)}: {what}", errors.USAGE)
        if _is_root(name):
            found.append(_image(name, configuration, here))
            continue
        path = configuration or _beside(name)
        if path in by_configuration:
            directories = by_configuration[path].directories or []
            directories.append(name)
            continue
        target = Target(b"", [name], path, search_path=here)
        found.append(target)
        if path:
            by_configuration[path] = target
    return found


def _is_root(name: bytes) -> bool:
    """Tell whether a directory holds what only the root of an image does."""
    marks = (configure.DEFAULT_PATH, *search.HOOK_DIRECTORIES)
    return any(os.path.lexists(name + mark) for mark in marks)


def _beside(name: bytes) -> bytes | None:
    parent = os.path.dirname(name.rstrip(b"/"))
    if not parent:
        candidate = _CONFIGURATION
    elif os.path.basename(name.rstrip(b"/")) in (b".", b".."):
        candidate = os.path.join(name, b"..", _CONFIGURATION)
    else:
        candidate = os.path.join(parent, _CONFIGURATION)
    return candidate if os.path.lexists(candidate) else None


def _image(name: bytes, configuration: bytes | None, here: bytes) -> Target:
    """Return the target of an image's tree, or of what a build copies over another image."""
    path = configuration
    if path is None and os.path.lexists(name + configure.DEFAULT_PATH):
        path = configure.DEFAULT_PATH
    elif path is None and os.path.lexists(os.path.join(name, _CONFIGURATION)):
        path = b"/" + _CONFIGURATION
    elif path is not None:
        path = os.path.abspath(path)
    is_whole = any(os.path.isdir(name + place) for place in (b"/bin", b"/usr/bin"))
    own = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Target(
        name,
        None,
        path,
        lies_outside=configuration is not None,
        search_path=own if is_whole else here,
        programs_are_here=not is_whole,
    )


@contextmanager
def entered(target: Target) -> Iterator[None]:
    """Look for the paths of an image below its root."""
    kinds.forget_programs()
    if target.root:
        root = os.path.abspath(target.root).rstrip(b"/")
        files.find_by(lambda path: _place(root, path, target))
    try:
        yield
    finally:
        files.find_by(None)
        kinds.forget_programs()


def _place(root: bytes, path: bytes, target: Target) -> bytes:
    """Return where a path of an image lies, its links followed below the root."""
    if path.startswith(_OWN) or (target.lies_outside and path == target.configuration):
        return path
    place = _follow(root, path)
    if target.programs_are_here and not os.path.lexists(place):
        is_program = os.path.isfile(path) and os.access(path, os.X_OK)
        return path if is_program else place
    return place


def _follow(root: bytes, path: bytes) -> bytes:
    """Follow the links of a path as if the root were `/`. Raises OSError for a circle."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")][::-1]
    done: list[bytes] = []
    links = 0
    while parts:
        part = parts.pop()
        if part == b"..":
            del done[-1:]
            continue
        place = b"/".join((root, *done, part))
        try:
            target = os.readlink(place)
        except (OSError, ValueError):
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith(b"/"):
            done = []
        parts += [part for part in target.split(b"/") if part not in (b"", b".")][::-1]
    if done == [b"dev", b"null"]:
        # A mask: the tree of an image has no devices.
        return _NULL
    return b"/".join((root, *done)) or b"/"
