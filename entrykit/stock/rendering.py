"""Renders templates in either format, and collects what is wrong with all of them.

Jinja2 is loaded with the first template that needs it: 50 ms.
"""

import os
import re
from functools import cache

from entrykit.stock import envsubst
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from entrykit.stock.jinja import Renderer

    # Returns a secret's value, None where it has none. Raises StartError where it cannot be had.
    FindSecret = Callable[[str], bytes | None]

ENVSUBST, JINJA = "envsubst", "jinja"
FORMATS = {b".template": ENVSUBST, b".j2": JINJA}
LIMIT_BYTES = 16 << 20
# Of the places of one problem, the log shows so many.
_SHOWN_PLACES = 10


def suffix_of(name: bytes) -> bytes:
    """Return the suffix that makes a file a template, b"" for one that is none."""
    stem, dot, last = name.rpartition(b".")
    return dot + last if stem and dot + last in FORMATS else b""


def kept_owner(status: os.stat_result) -> tuple[int, int, int]:
    """Return mode, uid and gid of what is made from a file: its own, as far as that can be.

    Another's owner needs CAP_CHOWN, a group that one is a member of does not (chown(2)). What
    cannot be kept makes the file no more open: bits of its group that are not everybody's go.
    """
    mode = status.st_mode & 0o777
    may_change = may_change_owners()
    owner, group = os.geteuid(), os.getegid()
    if may_change and _is_mapped("uid_map", status.st_uid):
        owner = status.st_uid
    if status.st_gid in (group, *os.getgroups()) or (
        may_change and _is_mapped("gid_map", status.st_gid)
    ):
        return mode, owner, status.st_gid
    return mode & (0o707 | (mode & 0o007) << 3), owner, group


@cache
def _is_mapped(table: str, number: int) -> bool:
    """Tell whether the user namespace has an id: chown(2) gives no other (user_namespaces(7))."""
    content = files.read_kernel_file(f"/proc/self/{table}")
    if content is None:
        return True
    for line in content.splitlines():
        first, _, count = line.split()
        if int(first) <= number < int(first) + int(count):
            return True
    return False


@cache
def may_change_owners() -> bool:
    """Tell whether the process has CAP_CHOWN, capability 0 (proc(5), status)."""
    status = files.read_kernel_file("/proc/self/status") or b""
    _, _, effective = status.partition(b"\nCapEff:")
    return bool(int(effective.split(b"\n")[0].strip() or b"0", 16) & 1)


class Problems:
    """What is wrong with some templates, each with the places where it is."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}

    def add(self, place: str, message: str, hint: str = "") -> None:
        """Note what is wrong at a place, which is a path and perhaps `:` and a line."""
        places = self._found.setdefault((message, hint), [])
        if place not in places:
            places.append(place)

    def count(self) -> int:
        """Return how many places of how many problems there are."""
        return sum(len(places) for places in self._found.values())

    def all(self) -> "list[errors.Problem]":
        """Return them, those of several places once."""
        found = []
        for (message, hint), (first, *others) in self._found.items():
            also = ", ".join(others[: _SHOWN_PLACES - 1])
            more = len(others) - (_SHOWN_PLACES - 1)
            if more > 0:
                also += f" and {more} more"
            found.append((first, f"{message} (also {also})" if also else message, hint))
        return found


class Given:
    """What templates are rendered with.

    `variables` are their values by name; `find_secret` is what `secret("NAME")` asks; `hidden` are
    the values of variables that are secrets: no message holds them.
    """

    def __init__(
        self,
        variables: "Mapping[bytes, bytes]",
        find_secret: "FindSecret",
        hidden: "Collection[bytes]" = (),
    ) -> None:
        self.variables = variables
        self.find_secret = find_secret
        self.hidden = hidden


class Rendering:
    """Renders the templates of one directory.

    `names` is a regular expression: of the variables, envsubst sees those whose name it matches.
    `required` is one too, "" for none: references to such names must have a value.
    """

    def __init__(
        self, directory: bytes, given: Given, problems: Problems, names: str, required: str
    ) -> None:
        self._directory = directory
        self._given = given
        self._selected = envsubst.select(given.variables, names)
        self._is_required = re.compile(required).search if required else None
        self._problems = problems
        self._renderer: Renderer | None = None

    def read_and_render(self, path: bytes, form: str) -> bytes:
        """Return what a template becomes; note what is wrong, and then return anything."""
        try:
            content = files.read(path, LIMIT_BYTES)
        except StartError as error:
            for _, message, hint in error.problems:
                self._problems.add("", message, hint)
            return b""
        return self.render(path, content, form)

    def render(self, path: bytes, content: bytes, form: str) -> bytes:
        """Return what a template's content becomes, as `read_and_render`."""
        if form == ENVSUBST:
            return self._substitute(path, content)
        if self._renderer is None:
            try:
                from entrykit.stock import jinja  # costs 50 ms
            except ImportError as error:
                message = f"cannot load Jinja2: {error}"
                hint = "install the package jinja2 for this Python, as entrykit's own needs ask"
                raise StartError(message, hint=hint, where=log.text(path)) from None
            self._renderer = jinja.Renderer(self._directory, self._given, self._problems)
        return self._renderer.render(path, content)

    def _substitute(self, path: bytes, content: bytes) -> bytes:
        if self._is_required is None:
            return envsubst.substitute(content, self._selected, lambda *_: None)
        is_required = self._is_required

        def note(name: bytes, offset: int) -> None:
            if is_required(name.decode("ascii")):
                line = content.count(b"\n", 0, offset) + 1
                self._problems.add(f"{log.text(path)}:{line}", *missing(name.decode("ascii")))

        # An empty value is as none, as it is wherever something is required.
        given = {
            name: value
            for name, value in self._selected.items()
            if value or not is_required(name.decode("utf-8", "surrogateescape"))
        }
        return envsubst.substitute(content, given, note)


def missing(name: str) -> tuple[str, str]:
    """Return what is wrong where a variable has no value, and the mend."""
    return f"{name} is not set", "set it; a secret must be among the section's `secrets` too"
