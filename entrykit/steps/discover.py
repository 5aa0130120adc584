"""Discover: the search path becomes an ordered list of hooks, and each skipped file has a reason.

Imported by every start with a file in a hook directory: builtin modules only.
"""

import posix

from entrykit.steps import kinds, order, search
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.settings.record import Configuration
    from entrykit.steps.configure import Settings
    from entrykit.steps.search import Listing
    from entrykit.steps.state import Rights
    from entrykit.system.users import Identity

    # A file's directory, its status or why that cannot be had, and whether its mode says nothing.
    Place = tuple[bytes, posix.stat_result | OSError, bool]

_BACKUPS = (b"~", b".bak", b".orig", b".rej", b".swp", b".md", b".txt", b".disabled")
_PACKAGE_LEFTOVERS = (b"dpkg-", b"rpm")
COMMENT_LINES = 20
_COMMENT_MARKS = (b"#", b"//", b"--")
_COMMENT_KEY = b"entrykit:"
BY_COMMENT, BY_TABLE = "its settings comment", "[hooks]"


class Hook:
    """One file that runs before the command.

    `words` are what it is started with; of a sourced hook, the shell. `section` is the name of the
    configuration's section it is given, "" for none. `timeout_seconds` is None for no limit.
    `once` is the name under which its one run is remembered, "" for a hook that always runs;
    `makes` are the paths that it makes; `redoes` says that an interrupted run is done again.
    `user` is the spec of whom it is to run as, "" for the start's own, `identity` who that is: None
    where it runs with the ids that the start has. `home` is that user's, None where the start's is
    the hook's too.
    `set_by` says of each setting that is not a general one where it stands: BY_COMMENT, BY_TABLE.
    """

    __slots__ = (
        "directory", "goes_on", "home", "identity", "kind", "makes", "name", "once", "path",
        "redoes", "secrets", "section", "set_by", "timeout_seconds", "user", "words",
    )  # fmt: skip

    def __init__(self, name: bytes, directory: bytes, kind: str, words: list[bytes]) -> None:
        self.name = name
        self.directory = directory
        self.path = directory + b"/" + name
        self.kind = kind
        self.words = words
        self.section = ""
        self.secrets: set[bytes] = set()
        self.timeout_seconds: float | None = None
        self.goes_on = False
        self.once = ""
        self.redoes = False
        self.makes: list[bytes] = []
        self.set_by: dict[str, str] = {}
        self.user = ""
        self.identity: Identity | None = None
        self.home: bytes | None = None

    @property
    def uid(self) -> int | None:
        """Return the uid of another user that it runs as, None for the start's own."""
        identity = self.identity
        return None if identity is None or identity.uid == posix.getuid() else identity.uid

    @property
    def rights(self) -> "Rights | None":
        """Return the uid and the groups of another user that it runs as, None as `uid`."""
        uid, identity = self.uid, self.identity
        return None if uid is None or identity is None else (uid, identity.groups)


class Discovery:
    """What was found: hooks in order, files that are skipped, and what is wrong.

    `stock_names` are those of the stock hooks that are switched on; `directories` the paths of
    directories in hook directories; `replaced` the directories whose file of a name another one
    stands before, and `replacing` the paths of those others that were not left out.
    """

    __slots__ = ("directories", "hooks", "known_names", "problems", "replaced", "replacing",
                 "skipped", "stock_names")  # fmt: skip

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.known_names: set[bytes] = set()
        self.stock_names: set[bytes] = set()
        self.problems: list[errors.Problem] = []
        # Name, reason, mend, and whether that is worth a warning.
        self.skipped: list[tuple[bytes, str, str, bool]] = []
        self.directories: list[bytes] = []
        self.replaced: dict[bytes, list[bytes]] = {}
        self.replacing: list[bytes] = []


def discover(settings: "Settings", listings: "list[Listing]", search_path: bytes) -> Discovery:
    """Return the hooks of a start, and all faults of their files.

    `search_path` is the PATH that the hooks begin with.
    """
    found = Discovery()
    places: dict[bytes, Place] = {}
    for listing in listings:
        _look_into(found, places, settings, listing)
    for name in sorted(places, key=order.key):
        directory, status, modes_say_nothing = places[name]
        if name in settings.skip:
            _skip(found, name, "named in ENTRYKIT_SKIP or --skip")
            continue
        if name in found.replaced:
            found.replacing.append(directory + b"/" + name)
        if isinstance(status, OSError):
            what = "follow the link" if isinstance(status, FileNotFoundError) else "read"
            _, message, hint = files.cannot(what, directory + b"/" + name, status).problems[0]
            # What is missing, or leads in a circle.
            hint = hint or "correct the link, or remove it"
            found.problems.append((log.text(name), message, hint))
        elif files.is_null_device(status):
            _skip(found, name, f"masked by {log.text(directory)}/{log.text(name)}")
        else:
            _add(found, settings, name, directory, status, search_path, modes_say_nothing)
    return found


def report(found: Discovery, settings: "Settings") -> None:
    """Say what is skipped and why, and raise StartError, status 78, with all faults."""
    if any(hook.user for hook in found.hooks):
        from entrykit.steps import hook_user  # few hooks have one

        hook_user.resolve(found)
    for name, reason, hint, is_warning in found.skipped:
        if is_warning:
            log.warn(f"skipped: {reason}", log.text(name), hint)
        else:
            log.info(f"skipped: {reason}", log.text(name))
    named = [name.encode("utf-8", "surrogateescape") for name in settings.configuration["hooks"]]
    unknown = [log.text(n) for n in [*settings.skip, *named] if n not in found.known_names]
    if unknown:
        log.warn(f"no such hook: {', '.join(unknown)}", hint="skips and [hooks] take file names")
    if found.problems:
        raise errors.together(found.problems)


def _look_into(
    found: Discovery,
    places: "dict[bytes, Place]",
    settings: "Settings",
    listing: "Listing",
) -> None:
    """Put a directory's hooks into `places`, in place of those of the same name."""
    directory, names, error, is_named = listing
    if error is not None:
        _, message, hint = files.cannot("read the hook directory", directory, error).problems[0]
        if is_named and isinstance(error, FileNotFoundError):
            hint = "make it, or change --hooks (ENTRYKIT_HOOKS)"
        found.problems.append(("", message, hint))
        return
    modes_say_nothing = b"..data" in names
    names = [name for name in names if not is_passed_over(name)]
    found.known_names.update(names)
    if directory == search.STOCK_DIRECTORY:
        names = [name for name in names if section_of(name, settings.configuration)]
        found.stock_names.update(names)
    for name in names:
        path = directory + b"/" + name
        try:
            status = posix.stat(files.place(path))
        except OSError as fault:
            # No fault yet: a later directory may replace it, and a skip leave it out.
            _put(found, places, name, (directory, fault, modes_say_nothing))
            continue
        if files.is_directory(status.st_mode):
            found.directories.append(path)
            continue
        if files.is_regular(status.st_mode) and not status.st_size:
            # Not a mask: it may be what a failed download has left.
            hint = "to mask a hook, link its name to /dev/null"
            found.skipped.append((name, f"{log.text(path)} is empty", hint, True))
            continue
        _put(found, places, name, (directory, status, modes_say_nothing))


def _put(found: Discovery, places: "dict[bytes, Place]", name: bytes, place: "Place") -> None:
    if name in places:
        before = places[name][0]
        log.debug(f"replaces the one in {log.text(before)}", log.text(place[0] + b"/" + name))
        found.replaced.setdefault(name, []).append(before)
    places[name] = place


def is_passed_over(name: bytes) -> bool:
    """Tell whether a name is plainly no hook's: hidden, a backup, a text to read."""
    suffix = name.rpartition(b".")[2] if b"." in name else b""
    return (
        name.startswith((b".", b"README"))
        or name.endswith(_BACKUPS)
        or suffix.startswith(_PACKAGE_LEFTOVERS)
    )


def section_of(name: bytes, configuration: "Configuration") -> str:
    """Return the section that switches a stock hook on: `htpasswd` for 30-htpasswd.py, or ""."""
    section = name.partition(b"-")[2].partition(b".")[0].decode("ascii", "replace")
    return section if section in configuration["sections"] else ""


def _skip(found: Discovery, name: bytes, reason: str) -> None:
    found.skipped.append((name, reason, "", False))


def _add(
    found: Discovery,
    settings: "Settings",
    name: bytes,
    directory: bytes,
    status: posix.stat_result,
    search_path: bytes,
    modes_say_nothing: bool,  # noqa: FBT001 - a fact on its way
) -> None:
    where = log.text(name)
    if not files.is_regular(status.st_mode):
        reason = f"it is {files.kind(status.st_mode)}, not a regular file"
        found.skipped.append((name, reason, "", True))
        return
    path = directory + b"/" + name
    try:
        head = files.read(path, kinds.HEAD_BYTES, cut=True)
    except StartError as error:
        found.problems.extend((where, message, hint) for _, message, hint in error.problems)
        return
    kind, words, reason, hint = kinds.classify(
        path,
        status.st_mode,
        head,
        settings.configuration["runners"],
        modes_say_nothing=modes_say_nothing,
        search_path=search_path,
    )
    if kind == kinds.SKIPPED:
        found.skipped.append((name, reason, hint, True))
    elif kind == kinds.FAULT:
        found.problems.append((where, f"{reason}, in {log.text(directory)}", hint))
    else:
        hook = Hook(name, directory, kind, words)
        if name in found.stock_names:
            # Its own or the one in its place: no other hook is given a section, and its secrets.
            hook.section = section_of(name, settings.configuration)
        _apply_settings(found, settings, hook, head)
        found.hooks.append(hook)


def _apply_settings(found: Discovery, settings: "Settings", hook: Hook, head: bytes) -> None:
    """Give a hook its settings: the general ones < its comment's < `[hooks."NAME"]`'s."""
    hook.timeout_seconds = settings.timeout_seconds
    configured = settings.configuration["hooks"].get(hook.name.decode("utf-8", "surrogateescape"))
    commented = None
    if _COMMENT_KEY in head and (comment := _settings_comment(head)):
        from entrykit.settings import hook as hook_settings  # few hooks have one

        commented, problems = hook_settings.from_comment(comment)
        found.problems.extend((log.text(hook.name), *problem) for problem in problems)
    for by, given in ((BY_COMMENT, commented), (BY_TABLE, configured)):
        if given:
            hook.set_by.update(dict.fromkeys(given, by))
            hook.timeout_seconds = given.get("timeout", hook.timeout_seconds)
            hook.goes_on = given.get("on_error", "continue" if hook.goes_on else "") == "continue"
            hook.secrets = {name.encode() for name in given.get("secrets", ())} or hook.secrets
            hook.once = given.get("once", hook.once)
            hook.redoes = given.get("on_interrupted", "redo" if hook.redoes else "") == "redo"
            makes = [path.encode("utf-8", "surrogateescape") for path in given.get("makes", ())]
            hook.makes = makes or hook.makes
            hook.user = given.get("user", hook.user)
    if hook.once or hook.makes or hook.redoes:
        _check_once(found, settings, hook)
    if hook.section:
        hook.secrets = hook.secrets | _named_by_section(settings.configuration, hook.section)


def _check_once(found: Discovery, settings: "Settings", hook: Hook) -> None:
    from entrykit.steps import once  # few hooks need it

    problems = once.problems(hook, settings.configuration)
    other = next((one for one in found.hooks if hook.once and one.once == hook.once), None)
    if other is not None:
        message = f"once={hook.once} is {log.text(other.name)}'s already"
        problems.append((message, "give each its own name"))
    found.problems.extend((log.text(hook.name), *problem) for problem in problems)


def _settings_comment(head: bytes) -> str:
    """Return what stands after `entrykit:` in the comments among a file's first lines."""
    if head.startswith(b"\x7fELF"):
        return ""
    found = [settings_of_line(line) for line in head.split(b"\n")[:COMMENT_LINES]]
    return " ".join(log.text(settings) for settings in found if settings)


def settings_of_line(line: bytes) -> bytes:
    """Return what stands after `entrykit:` where a line is a comment that begins so."""
    bare = line.strip()
    for mark in _COMMENT_MARKS:
        comment = bare[len(mark) :].lstrip() if bare.startswith(mark) else b""
        if comment.startswith(_COMMENT_KEY):
            return comment[len(_COMMENT_KEY) :]
    return b""


def _named_by_section(configuration: "Configuration", section: str) -> set[bytes]:
    """Return the variables that a stock hook's section names, as a whole value or as `${NAME}`.

    Any of them may be a secret: an env-dir makes it one.
    """
    named = strings(configuration["sections"][section])
    return {
        name.encode()
        for name in configuration["env"]
        if any(name == one or f"${{{name}}}" in one for one in named)
    }


def strings(value: object) -> list[str]:
    """Return all strings in a value, however deep in lists and tables."""
    if isinstance(value, str):
        return [value]
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [string for one in inner for string in strings(one)]
