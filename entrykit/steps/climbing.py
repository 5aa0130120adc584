"""No climbing: what a start obeys as root, the user that the command runs as cannot write.

What is obeyed is the configuration, env-dirs and env-files, hooks, files that mask or replace one,
what tells which uid a name is, and entrykit itself. Of it, and of all on the way to it, the user
must not be able to write anything; entrykit.system.writers says when that is so. Programs are the
image's own: interpreters, runners and what they load are not looked at, nor what a hook reads.

A hook that runs as the command's user is no exception: its comment may name secrets, which the
command has not, or what root is to empty.

Loaded where a step-down follows. Builtin modules only.
"""

import posix
import sys

from entrykit.system import errors, log, users, writers
from entrykit.system.errors import os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.steps.configure import Settings
    from entrykit.steps.discover import Discovery
    from entrykit.system.users import Identity

    # A path, what the log calls it, and whether the names in it are obeyed.
    Obeyed = tuple[bytes, str, bool]

# So many uses of one directory are named.
_NAMED = 3
_TRUST = 'trust = "any"'
# They say which uid a name is: 0, if their writer likes.
_USERS: "tuple[Obeyed, ...]" = (
    (users.PASSWD, "the ids in it", False),
    (users.GROUP, "the ids in it", False),
)


def check(settings: "Settings", identity: "Identity", found: "Discovery | None") -> None:
    """Raise StartError, status 78, with all that a user can write of what is obeyed.

    `found` is None where no hooks are run.
    """
    wrong = problems(settings, identity, found)
    if wrong:
        raise errors.together(wrong)


def problems(
    settings: "Settings", identity: "Identity", found: "Discovery | None"
) -> "list[errors.Problem]":
    """Return all that a user can write of what is obeyed.

    That is nothing where the configuration says `trust = "any"`, unless the user can write that
    itself: it is believed where it was baked so, or nobody but root can have put it there.
    """
    trusts = settings.configuration["trust"] == "any"
    if trusts and settings.is_baked:
        return []
    survey = _Survey(identity)
    survey.look_at((settings.path, "the configuration", False))
    if trusts and not survey.uses:
        return survey.unclear
    for one in (*_own(), *_USERS, *_sources(settings), *_hooks(found)):
        survey.look_at(one)
    return survey.problems(trusts=trusts)


class _Survey:
    """What a user can write, by path, and what each is used for."""

    __slots__ = ("unclear", "user", "uses", "writer")

    def __init__(self, identity: "Identity") -> None:
        self.user = f"{identity.name or 'the command'} (uid {identity.uid})"
        self.writer = writers.Writer(identity.uid, identity.groups)
        self.uses: dict[bytes, dict[str, None]] = {}
        self.unclear: list[errors.Problem] = []

    def look_at(self, obeyed: "Obeyed") -> None:
        """Note what the user can write of one path that is obeyed, where something is there."""
        path, called, is_listed = obeyed
        try:
            found = self.writer.writable(path, is_listed=is_listed)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            message = f"cannot tell who can write it: {os_reason(error)}"
            mend = f"name it by a path that its directories tell, or set {_TRUST}"
            self.unclear.append((log.text(path), message, mend))
            return
        for one in found:
            self.uses.setdefault(one, {})[called] = None

    def problems(self, *, trusts: bool) -> "list[errors.Problem]":
        """Return what was noted, a problem for each file or directory that is to be mended."""
        found = list(self.unclear)
        for path, uses in self.uses.items():
            way = self.writer.ways[path]
            obeyed = ", ".join([*uses][:_NAMED])
            if len(uses) > _NAMED:
                obeyed += f" and {len(uses) - _NAMED} more"
            message = (
                f"{self.user} can write it {' and '.join(way.hows)}, and the start obeys"
                f" {obeyed} as root"
            )
            mend = f"{'; '.join(way.commands)}; or mount it read-only"
            if trusts:
                mend += f"; {_TRUST} counts only where that user cannot write the configuration"
            else:
                mend += f", or set {_TRUST}"
            found.append((log.text(path), message, mend))
        return found


def _own() -> "Iterator[Obeyed]":
    """Yield entrykit itself: its package, and the launcher with its record."""
    yield __file__.rsplit("/", 2)[0].encode("utf-8", "surrogateescape"), "entrykit itself", True
    script = sys.argv[0].encode("utf-8", "surrogateescape")
    if script.startswith(b"/"):
        yield script, "the entrypoint", False
        yield script + b".baked", "the entrypoint's record", False


def _sources(settings: "Settings") -> "Iterator[Obeyed]":
    configuration = settings.configuration
    for directory in configuration["env_dirs"]:
        path = directory.encode("utf-8", "surrogateescape")
        yield path, f"the env-dir {log.text(path)}", True
        try:
            names = posix.listdir(path)
        except OSError:
            continue
        for name in names:
            if not name.startswith(b"."):
                yield path + b"/" + name, f"the env-dir {log.text(path)}", False
    for file in configuration["env_files"]:
        path = file.encode("utf-8", "surrogateescape")
        yield path, f"the env-file {log.text(path)}", False


def _hooks(found: "Discovery | None") -> "Iterator[Obeyed]":
    """Yield what decides which hooks run: their directories, they themselves, and what is masked.

    A file that replaces another is obeyed even if it is then skipped.
    """
    if found is None:
        return
    paths = {one.path: log.text(one.name) for one in found.hooks}
    paths |= {path: log.text(path.rpartition(b"/")[2]) for path in found.replacing}
    for directory, name in {path.rpartition(b"/")[0]: name for path, name in paths.items()}.items():
        yield directory, name, True
    for path, name in paths.items():
        yield path, name, False
