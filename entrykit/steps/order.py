"""The order of hooks: `sort -V` in the C locale, whatever the locale and the C library are.

GNU's file version order (gnulib, filevercmp): runs of digits compare as numbers, `~` before
everything, the end of a name before letters and letters before other characters; a suffix such as
`.tar.gz` counts only where all before it is equal.

Imported by every start with a hook: builtin modules only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Key = tuple[list[int], list[int], bytes]

_DIGITS = frozenset(b"0123456789")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TILDE = ord("~")
# Where a run of other characters ends: after `~`, before all else. No character has this weight.
_END = -1


def key(name: bytes) -> "Key":
    """Return the key that sorts names as `sort -V` does; names with a leading dot are no hooks."""
    return _weights(name[: _length_without_suffixes(name)]), _weights(name), name


def _weights(name: bytes) -> list[int]:
    """Return the characters' weights up to a digit, the number there, and so on to the end."""
    weights = []
    position, length = 0, len(name)
    while position < length:
        while position < length and name[position] not in _DIGITS:
            weights.append(_weight(name[position]))
            position += 1
        weights.append(_END)
        start = position
        while position < length and name[position] in _DIGITS:
            position += 1
        weights.append(int(name[start:position] or b"0"))
    weights.append(_END)
    return weights


def _weight(character: int) -> int:
    if character == _TILDE:
        return -2
    return character if character in _LETTERS else character + 256


def _length_without_suffixes(name: bytes) -> int:
    r"""Return the length of the name before its longest `(\.[A-Za-z~][A-Za-z0-9~]*)*$`.

    Never 0: a name is not all suffix.
    """
    end = len(name)
    while True:
        dot = name.rfind(b".", 0, end)
        suffix = name[dot + 1 : end]
        if dot < 1 or not suffix or suffix[0] in _DIGITS:
            return end
        if any(c not in _LETTERS and c not in _DIGITS and c != _TILDE for c in suffix):
            return end
        end = dot
