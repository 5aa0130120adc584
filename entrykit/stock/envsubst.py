"""What gettext's envsubst does with a list of names, without a process for each file.

`$NAME` and `${NAME}` alone, NAME in ASCII, the longest that is there; all else stays as it is: no
`${NAME:-default}`, no escape, no second pass over what was put in. Bytes in and bytes out.
"""

import re
from collections.abc import Callable, Mapping

# A name or a name in braces (gettext manual, "envsubst Invocation").
_REFERENCE = re.compile(rb"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


def select(variables: Mapping[bytes, bytes], names: str) -> dict[bytes, bytes]:
    """Return the variables whose name holds a match of the regular expression `names`."""
    if not names:
        return dict(variables)
    matches = re.compile(names).search
    return {
        name: value
        for name, value in variables.items()
        if matches(name.decode("utf-8", "surrogateescape"))
    }


def substitute(
    content: bytes, variables: Mapping[bytes, bytes], missing: Callable[[bytes, int], None]
) -> bytes:
    """Return `content` with the variables' values in place of their references.

    `missing` is told the name and the offset of each reference to another name, which stays.
    """

    def value(reference: "re.Match[bytes]") -> bytes:
        name = reference[1] or reference[2]
        found = variables.get(name)
        if found is None:
            missing(name, reference.start())
            return reference[0]
        return found

    return _REFERENCE.sub(value, content)
