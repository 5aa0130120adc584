"""How a value is written in a setting, wherever the setting stands: one grammar each.

Light: a start loads it for a hook's settings comment, without TOML.
"""

_UNITS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0))
_LONGEST_SECONDS = 366 * 24 * 3600.0
# As coreutils write them: `k` and `KiB` are 1024, `kB` is 1000
# (https://www.gnu.org/software/coreutils/manual/html_node/Block-size.html).
_SIZE_LETTERS = "kmgtp"
_LARGEST_BYTES = (1 << 63) - 1

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")


class Named(ValueError):  # noqa: N818 - what was expected, as in each ValueError here
    """What was expected, with the word that it was not: nobody need add what was found."""


def duration_seconds(written: str) -> float:
    """Return the seconds of a duration: `N` with `ms`, `s`, `m` or `h`; a bare number is seconds.

    N is a decimal number of ASCII digits, with or without a fraction. Raises ValueError, also
    where it is not above 0 or longer than a year.
    """
    seconds = duration_or_zero_seconds(written)
    if not seconds:
        raise ValueError(written)
    return seconds


def duration_or_zero_seconds(written: str) -> float:
    """Return the seconds of a duration, which may be 0. Raises ValueError."""
    number, factor = written, 1.0
    for unit, unit_factor in _UNITS:
        if written.endswith(unit):
            number, factor = written[: -len(unit)], unit_factor
            break
    whole, point, fraction = number.partition(".")
    digits = whole + fraction if point else whole
    if not whole or (point and not fraction) or not (digits.isascii() and digits.isdigit()):
        raise ValueError(written)
    seconds = float(number) * factor
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise ValueError(written)
    return seconds


def size_bytes(written: str) -> int:
    """Return the bytes of a size: a whole number, alone or with a unit right after it.

    `k`, `M`, `G`, `T` and `P`, also as `Ki` or `KiB`, are powers of 1024; `kB`, `MB` and so on are
    powers of 1000; `B` is one byte. Upper and lower case are the same. Raises ValueError, also
    where it is not below 8 EiB.
    """
    digits = written.rstrip("bBiIkKmMgGtTpP")
    unit = written[len(digits) :].lower()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
        raise ValueError(written)
    power = 0 if unit in ("", "b") else _SIZE_LETTERS.find(unit[0]) + 1
    if unit not in ("", "b") and not (power and unit[1:] in ("", "b", "i", "ib")):
        raise ValueError(written)
    factor = 1000 if unit[1:] == "b" else 1024
    number = int(digits)
    for _ in range(power):
        number *= factor
    if number > _LARGEST_BYTES:
        raise ValueError(written)
    return number


def boolean(written: str) -> bool:
    """Return a truth value: `1 true yes on`, `0 false no off`. Raises ValueError."""
    word = written.lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ValueError(written)
    return word in TRUE_WORDS


def umask(written: str) -> int:
    """Return a umask from its octal digits, `022` or `0o022`. Raises ValueError."""
    digits = written.removeprefix("0o")
    if not digits or len(digits) > 4 or set(digits) - set("01234567"):
        raise ValueError(written)
    mask = int(digits, 8)
    if mask > 0o777:
        raise ValueError(written)
    return mask


def is_variable_name(name: str) -> bool:
    """Tell whether a variable can have this name (POSIX, XBD 3.216): ASCII, no leading digit."""
    return name.isascii() and name.isidentifier()


def nearest(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return the known word that `word` was probably meant to be, "" where none is close."""
    import difflib  # costs 4 ms, and only a mistake needs it

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return close[0] if close else ""
