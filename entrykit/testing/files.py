"""Files as a start left them, and how two of them differ."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from entrykit.testing import tree

# pytest leaves the frames of this module out of what it shows of a failure.
__tracebackhide__ = True
# As much of each of two contents is shown in one line.
_LINE_BYTES = 60


class Mode(int):
    """A mode or a umask: a number that is shown as people write it."""

    def __repr__(self) -> str:
        return f"0o{int(self):03o}"


@dataclass(frozen=True)
class File:
    """A file as the start left it. `owner` is uid and gid; `kind` is `file`, `link`, `other`.

    `before` is what was there, None for nothing; of a link, `bytes` is its target.
    """

    bytes: bytes
    mode: int
    owner: tuple[int, int]
    kind: str = tree.FILE
    before: "File | None" = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The content as text. Raises UnicodeDecodeError."""
        return self.bytes.decode()

    def diff(self, path: str) -> str:
        """Return how it differs from what was there, "" where that is no text."""
        return _diff(self.before, self, f"{path} (before)", path)


class Files(Mapping[str, File]):
    """The files that a start made or changed, by path; `failure` is how the start has failed."""

    def __init__(self, files: dict[str, File], failure: str = "") -> None:
        self._files = files
        self._failure = failure

    def __getitem__(self, path: str) -> File:
        if path not in self._files:
            changed = ", ".join(self._files) or "none"
            failure = f"\n{self._failure}" if self._failure else ""
            message = f"the start neither made nor changed {path}; it did these: {changed}{failure}"
            raise AssertionError(message)
        return self._files[path]

    def get(self, path: str, default: "File | None" = None) -> "File | None":  # type: ignore[override]
        """Return a file, `default` where it neither was made nor changed."""
        return self._files.get(path, default)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return repr(self._files)


def from_entry(entry: "tree.Entry", before: "tree.Entry | None" = None) -> File:
    """Return a file from what a backend tells of it."""
    kind, mode, uid, gid, content = entry
    return File(content, Mode(mode), (uid, gid), kind, from_entry(before) if before else None)


def difference(path: str, one: "File | None", other: "File | None") -> str:
    """Return in what a file differs from the other at the same path, "" where it does not."""
    if one is None or other is None:
        if one is other:
            return ""
        return f"{path} is not there; else it is" if one is None else f"{path} is there; else not"
    told = [
        f"{name} is {getattr(one, name)!r}; else {getattr(other, name)!r}"
        for name in ("kind", "mode", "owner")
        if getattr(one, name) != getattr(other, name)
    ]
    if one.bytes != other.bytes:
        shown = _diff(other, one, f"{path} (else)", path)
        if not shown or max(len(one.bytes), len(other.bytes)) <= _LINE_BYTES:
            told.append(f"content is {one.bytes!r}; else {other.bytes!r}")
        else:
            told.append(f"content differs:\n{shown}")
    return f"{path}: {', '.join(told)}" if told else ""


def explain(left: object, right: object) -> list[str] | None:
    """Return the lines of a failed `left == right`, None where pytest's own are as good."""
    if isinstance(left, int) and isinstance(right, int):
        if isinstance(left, Mode) or isinstance(right, Mode):
            return [f"{Mode(left)!r} == {Mode(right)!r}"]
        return None
    if isinstance(left, File) and isinstance(right, File):
        return ["two files", *difference("the file", left, right).splitlines()]
    if isinstance(left, Files) and isinstance(right, Mapping):
        told = [
            line
            for path in sorted({*left, *right})
            for line in difference(path, left.get(path), dict(right).get(path)).splitlines()
        ]
        return ["the files that a start changed", *told]
    return None


def _diff(before: "File | None", after: "File", before_name: str, after_name: str) -> str:
    try:
        old, new = before.text if before else "", after.text
    except UnicodeDecodeError:
        return ""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), before_name, after_name, lineterm=""
    )
    return "\n".join(lines)
