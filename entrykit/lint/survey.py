"""Looks at an image: its configuration, its hook directories, its hooks and its templates."""

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from entrykit.lint import findings, hooks, targets, templates, variables
from entrykit.lint.findings import Finding
from entrykit.lint.variables import Read
from entrykit.settings import configuration as configurations
from entrykit.settings import lines, record
from entrykit.steps import climbing, configure, discover, order, search
from entrykit.system import files, log, users
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from entrykit.lint.targets import Target
    from entrykit.settings.record import Configuration
    from entrykit.steps.configure import Settings
    from entrykit.steps.discover import Discovery, Hook
    from entrykit.steps.search import Listing

_COMMENT = b"entrykit:"
# What a finding of climbing says more exactly.
_SAME_AS_CLIMBING = ("world-writable", "group-writable")


class Survey:
    """One target, and what is found there; `hook_count` is how many hooks it has."""

    def __init__(self, target: "Target") -> None:
        self.target = target
        self.found: list[Finding] = []
        self.hook_count = 0
        self._lines: dict[tuple[str, ...], int] = {}
        self._is_broken = False
        # What hooks set for the command, or for others.
        self._given: set[str] = set()

    def look(self) -> list[Finding]:
        """Return all that is found, with the paths that whoever named the target would write."""
        with targets.entered(self.target):
            configuration = self._read_configuration()
            path = self.target.configuration or configure.DEFAULT_PATH
            settings = configure.Settings(self._told(), configuration, path)
            if self.target.directories is not None:
                settings.hook_directories = self.target.directories
            listings = search.search(settings)
            found = discover.discover(settings, listings, self.target.search_path)
            self.hook_count = len(found.hooks)
            self._report(found, settings, listings)
            self.found += self.look_further(found, settings, listings)
            shown = self.target.shown
            found_here = [_moved(one, shown(one.path)) for one in self.found]
            places = templates.directories(configuration)
        return findings.ordered(found_here + self.look_into_templates(places, settings))

    def look_further(
        self, found: "Discovery", settings: "Settings", listings: "list[Listing]"
    ) -> list[Finding]:
        """Return what a start does not find itself."""
        own = [one for one in found.hooks if one.directory != search.STOCK_DIRECTORY]
        named = settings.hook_directories
        directories = [*search.HOOK_DIRECTORIES] if named is None else named
        places = [*directories, *filter(None, [self.target.configuration])]
        result = [one for path in places for one in hooks.writable(path)]
        result += self._writable_above(directories)
        if self.target.configuration:
            result += variables.declared_secrets(
                settings.configuration, self.target.configuration, self._lines
            )
        result += self._unknown_user(settings)
        result += _ties(found.hooks)
        result += _replaced(own, listings)
        reads: list[Read] = []
        for hook in own:
            faults, uses = hooks.look_at(hook, self.target)
            result += faults
            self._given |= uses.gives
            secrets = frozenset(map(log.text, hook.secrets))
            reads += [Read(name, hook.path, line, secrets) for name, line in uses.reads]
            result += self._undeclared_secrets(hook, settings)
        if not self._is_broken:
            result += variables.compare(reads, self._given, settings.configuration)
        climbed = self._climbing(found, settings)
        paths = {one.path for one in climbed}
        return climbed + [
            one for one in result if not (one.code in _SAME_AS_CLIMBING and one.path in paths)
        ]

    def _writable_above(self, directories: list[bytes]) -> list[Finding]:
        """Find who can put another in the place of a hook directory or the configuration.

        Above those of an author's tree lies what is no part of an image.
        """
        if self.target.directories is not None:
            return []
        paths = [path for path in (*directories, self.target.configuration) if path]
        above = dict.fromkeys(one for path in paths if path[:1] == b"/" for one in _above(path))
        return [one for path in above for one in hooks.writable(path, only_names=True)]

    def look_into_templates(
        self, places: "list[tuple[bytes, dict[str, Any]]]", settings: "Settings"
    ) -> list[Finding]:
        """Return what is wrong with the templates, whose places are known; after `look_further`."""
        result: list[Finding] = []
        for place, table in places:
            faults, reads = templates.look_into(place, table)
            result += faults
            result += variables.compare(reads, self._given, settings.configuration)
        return result

    def note_lines(self, content: bytes) -> None:
        """Keep where the keys of the configuration stand."""
        self._lines = lines.find(content.decode("utf-8", "replace"))

    def _told(self) -> dict[str, bytes]:
        return {key: value for key, value in self.target.told.items() if key in ("hooks", "skip")}

    def _read_configuration(self) -> "Configuration":
        path = self.target.configuration
        if path is None:
            return record.empty()
        content = b""
        try:
            content = files.read(path, configure.CONFIGURATION_LIMIT_BYTES)
            self.note_lines(content)
            return configurations.parse(content, log.text(path))
        except StartError as error:
            self._is_broken = True
            for where, message, mend in error.problems:
                line = where.removeprefix(log.text(path)).removeprefix(":")
                number = int(line) if line.isdecimal() else 0
                if "at end of document" in message:
                    number = content.rstrip(b"\n").count(b"\n") + 1
                code = "configuration" if where else "unreadable"
                self.found.append(findings.make(code, path, number, message, mend))
            return record.empty()

    def _report(self, found: "Discovery", settings: "Settings", listings: "list[Listing]") -> None:
        """Take over what a start finds."""
        paths = {log.text(name): one[0] + b"/" + name for one in listings for name in one[1]}
        for where, message, mend in found.problems:
            path = paths.get(where, b"")
            if not where:
                unread = (one[0] for one in listings if one[2] is not None)
                path = next((one for one in unread if log.text(one) in message), b"")
            code = findings.code_of(message)
            line = _line_of(code, path, message)
            self.found.append(findings.make(code, path, line, message, mend))
        for name, reason, mend, _ in found.skipped:
            code = findings.code_of(reason)
            if reason.startswith("named in") or (self._is_broken and code == "not-a-hook"):
                continue
            both = [one[0] + b"/" + name for one in listings if name in one[1]]
            path = next((one for one in both if log.text(one) in reason), both[-1])
            self.found.append(findings.make(code, path, 0, f"skipped: {reason}", mend))
            if code != "masked" and (others := found.replaced.get(name)):
                message = f"it replaces the one in {log.text(others[-1])}, which is not run either"
                self.found.append(findings.make("replaced", path, 0, message))
        self.found += self._unknown_users(found.hooks)
        for text in settings.configuration["hooks"]:
            if text.encode("utf-8", "surrogateescape") not in found.known_names:
                line = self._lines.get(("hooks", text), 0)
                message = f"no such hook: {text}"
                path = self.target.configuration or b""
                self.found.append(
                    findings.make("unknown-hook", path, line, message, "[hooks] takes file names")
                )

    def _unknown_users(self, found: "list[Hook]") -> list[Finding]:
        """Find the users of hooks whom the image does not know; what is no image knows nobody."""
        if self.target.directories is not None or not os.path.lexists(files.place(users.PASSWD)):
            return []
        result = []
        for hook in (one for one in found if one.user):
            try:
                users.identity(hook.user)
            except StartError as error:
                line = self._lines.get(("hooks", log.text(hook.name), "user"), 0)
                path = (self.target.configuration if line else None) or hook.path
                line = line or _comment_line(hook.path, hook.user)
                for where, message, mend in error.problems:
                    told = f"{where}: {message}" if where else message
                    result.append(findings.make("user", path, line, told, mend))
        return result

    def _unknown_user(self, settings: "Settings") -> list[Finding]:
        """Find that the image does not know the command's user; what is no image knows nobody."""
        path, line = self.target.configuration, self._lines.get(("user",), 0)
        is_image = self.target.directories is None and os.path.lexists(files.place(users.PASSWD))
        if path is None or not line or not is_image or not settings.user:
            return []
        try:
            users.identity(settings.user)
        except StartError as error:
            return [
                findings.make(
                    "configuration", path, line, f"{where}: {told}" if where else told, mend
                )
                for where, told, mend in error.problems
            ]
        return []

    def _climbing(self, found: "Discovery", settings: "Settings") -> list[Finding]:
        """Find what a start as root would refuse to obey, where the image is this machine's own."""
        user = settings.configuration["user"]
        if not user or self.target.root or self.target.directories is not None:
            return []
        try:
            identity = users.identity(user)
        except StartError:
            # It may be in the /etc/passwd that a container mounts.
            return []
        if not identity.uid:
            return []
        return [
            findings.make("climbing", where.encode("utf-8", "surrogateescape"), 0, message, mend)
            for where, message, mend in climbing.problems(settings, identity, found)
        ]

    def _undeclared_secrets(self, hook: "Hook", settings: "Settings") -> list[Finding]:
        """Find the secrets that a hook names and nobody declares; with env-dirs nobody knows."""
        configuration = settings.configuration
        target = self.target
        knows_all = bool(target.configuration) or target.is_whole
        if self._is_broken or not knows_all or configuration["env_dirs"]:
            return []
        found = []
        for name in sorted(map(log.text, hook.secrets)):
            variable = configuration["env"].get(name)
            if variable and (variable.get("secret") or hook.section):
                continue
            text = log.text(hook.name)
            line = self._lines.get(("hooks", text, "secrets"), 0)
            path = target.configuration if line and target.configuration else hook.path
            line = line or _comment_line(hook.path, name)
            message = f"secrets names {name}, which is not declared as a secret"
            mend = f"declare it: [env.{name}] secret = true"
            found.append(findings.make("undeclared-secret", path, line, message, mend))
        return found


def _moved(one: Finding, path: bytes) -> Finding:
    return findings.Finding(one.code, path, one.line, one.message, one.mend, one.severity)


def _ties(found: "list[Hook]") -> list[Finding]:
    """Find neighbours that are ordered by nothing but their bytes."""
    result = []
    for before, after in pairwise(found):
        if order.key(before.name)[:2] == order.key(after.name)[:2]:
            # A stock hook keeps its name.
            stock = after.directory == search.STOCK_DIRECTORY
            one, other = (before, after) if stock else (after, before)
            message = f"its number is that of {log.text(other.name)}, written otherwise"
            mend = "give them different numbers"
            result.append(findings.make("order-tie", one.path, 0, message, mend))
    return result


def _replaced(found: "list[Hook]", listings: "list[Listing]") -> list[Finding]:
    result = []
    for hook in found:
        others = [one[0] for one in listings if hook.name in one[1] and one[0] != hook.directory]
        if others:
            message = f"it replaces the one in {log.text(others[-1])}"
            result.append(findings.make("replaced", hook.path, 0, message))
    return result


def _above(path: bytes) -> list[bytes]:
    """Return the directories above an absolute path, from the one below `/`."""
    parts = path.split(b"/")
    return [b"/".join(parts[:length]) for length in range(2, len(parts))]


def _line_of(code: str, path: bytes, message: str) -> int:
    """Return the line that a fault of a hook's file is on, 0 where it is the whole file's."""
    if code in ("settings", "once"):
        words = [word.strip(",:") for word in message.removeprefix("settings comment:").split()]
        known = [word for word in words if _comment_line(path, word)]
        return _comment_line(path, max(known, key=len, default=""))
    return 1 if code in ("bom", "crlf", "interpreter") else 0


def _comment_line(path: bytes, word: str) -> int:
    """Return the line of a hook's settings comment that has a word in it, 0 for none."""
    try:
        head = files.read(path, 4096, cut=True)
    except StartError:
        return 0
    for number, line in enumerate(head.split(b"\n")[: discover.COMMENT_LINES], 1):
        if _COMMENT in line and word.encode("utf-8", "backslashreplace") in line:
            return number
    return 0
