"""What a plan does not show: secrets, wherever they stand, and what looks like one.

A plan is pasted into a ticket. So beside what is declared secret, it hides values of variables
whose names are those of secrets, and what stands before the `@` of a URL.
"""

import re
from collections.abc import Iterable

# Less would hide every `1` where a secret is `1`, and so tell what the secret is.
_SHORTEST_BYTES = 4
_SECRET = b"(secret)"
_NOT_SHOWN = "(not shown)"
_TELLING = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|(^|_)(KEY|PW|PWD|PASS|DSN)$"
)
_PATHS = ("_FILE", "_PATH", "_DIR")
# To the last `@`: a password that nobody has escaped may hold another one, a slash or a blank. In a
# line of the log, which holds more than one value, it ends at a blank.
_USER_IN_URL = re.compile(r"://.*@", re.DOTALL)
_USER_IN_LINE = re.compile(r"://\S*@")
_NOBODY = "://***@"


class Redaction:
    """Knows the secrets of one start, and takes them out of texts."""

    def __init__(self) -> None:
        self._values: list[bytes] = []

    def hide(self, values: Iterable[bytes | None]) -> None:
        """Hide these values wherever they stand from now on."""
        found = {value for value in values if value and len(value) >= _SHORTEST_BYTES}
        # One that holds another goes first.
        self._values = sorted(found | set(self._values), key=len, reverse=True)

    def shown(self, raw: bytes) -> str:
        """Return bytes as text, surrogate escapes for what is not UTF-8, without secrets."""
        return _USER_IN_URL.sub(_NOBODY, self._without_secrets(raw))

    def line(self, text: str) -> str:
        """Return a line of the log without secrets."""
        shown = self._without_secrets(text.encode("utf-8", "surrogateescape"))
        return _USER_IN_LINE.sub(_NOBODY, shown)

    def _without_secrets(self, raw: bytes) -> str:
        # In the bytes: as text, a character may begin in a secret and end behind it.
        for value in self._values:
            raw = raw.replace(value, _SECRET)
        return raw.decode("utf-8", "surrogateescape")

    def words(self, raw: Iterable[bytes]) -> list[str]:
        """Return words as texts without secrets."""
        return [self.shown(word) for word in raw]

    def arguments(self, raw: Iterable[bytes]) -> list[str]:
        """Return a command's arguments without secrets, and without what `--password` is given."""
        shown: list[str] = []
        tells = False
        for word in raw:
            name, equals, value = word.partition(b"=")
            text, told = self.shown(word), tells
            tells = word.startswith(b"-") and _is_option_of_a_secret(name)
            # What is known to be a secret is said to be one.
            if _SECRET.decode() not in text:
                if told and word and not word.startswith((b"-", b"/")):
                    text = _NOT_SHOWN
                elif tells and value:
                    text = f"{self.shown(name)}={_NOT_SHOWN}"
            shown.append(text)
            tells = tells and not equals
        return shown


def _is_option_of_a_secret(name: bytes) -> bool:
    return tells_a_secret(name.decode("latin-1").strip("-").replace("-", "_"))


def tells_a_secret(name: str) -> bool:
    """Tell whether a variable that is not declared secret is named like one."""
    upper = name.upper()
    # PWD is the working directory.
    return (
        upper not in ("PWD", "OLDPWD")
        and not upper.endswith(_PATHS)
        and bool(_TELLING.search(upper))
    )
