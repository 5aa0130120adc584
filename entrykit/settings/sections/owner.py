"""`[owner]`: directories that get the owner whom the server runs as (50-owner.py)."""

from collections.abc import Iterator
from typing import Any

from entrykit.settings import checks
from entrykit.settings.sections.section import Section
from entrykit.system import ownership


def directories(value: object) -> list[str]:
    """Take a list of absolute paths, and return them in their shortest spelling."""
    expected = "a list of absolute paths"
    try:
        given = checks.words(value)
    except ValueError:
        raise ValueError(expected) from None
    if not given or any(path[:1] != "/" for path in given):
        raise ValueError(expected)
    kept = []
    for path in given:
        names = [name for name in path.split("/") if name not in {"", "."}]
        if ".." in names:
            raise ValueError(f"{expected} without ..")
        kept.append("".join(f"/{name}" for name in names))
    return kept


def problems(table: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a whole section."""
    for path in table["directories"]:
        if ownership.is_refused(path.encode()):
            message = f"{path or '/'} is the system's, and is given to nobody"
            yield "directories", message, "declare the directory of the server's own data"
    if table["user"] is None and table["uid"] is None:
        message = "the section names no owner"
        yield "user", message, 'give user = "app", or uid = "PUID" and gid = "PGID"'
    if table["gid"] is not None and table["uid"] is None:
        yield "gid", "it needs uid", 'give uid = "PUID" too, or user = "app:group" alone'


SECTION = Section(
    keys={
        "directories": (directories, ...),
        "user": (checks.user, None),
        "uid": (checks.variable, None),
        "gid": (checks.variable, None),
    },
    files=("uid", "gid"),
    problems=problems,
)
