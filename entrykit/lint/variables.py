"""Compares what hooks and templates read with what the configuration declares."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from entrykit.lint import findings
from entrykit.lint.findings import Finding
from entrykit.steps import discover, near_misses, variables
from entrykit.system import log

if TYPE_CHECKING:
    from entrykit.settings.record import Configuration

# Compared without case; `_FILE` names a file, which is none.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASS|PWD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|PRIVATE|ACCESS|SECRET)_?KEY)$"
    r"|PASSWORD$",
    re.IGNORECASE,
)


class Read(NamedTuple):
    """A variable that a file reads, and where; `secrets` are those that it is given."""

    name: str
    path: bytes
    line: int
    secrets: frozenset[str]


def compare(
    reads: list[Read], given: set[str], configuration: "Configuration"
) -> Iterator[Finding]:
    """Yield what is wrong with the variables that are read.

    `given` are those that some hook sets for the command, or for the hooks after it. Where the
    configuration declares none, there is nothing to compare with but what looks like a secret.
    """
    declared = configuration["env"]
    spellings = {
        spelling: name
        for name, variable in declared.items()
        for spelling in variables.spellings(name, variable)
    }
    known = given | near_misses.WELL_KNOWN | set(discover.strings(configuration["sections"]))
    for read in reads:
        name = read.name
        if name in spellings:
            owner = spellings[name]
            is_hidden = bool(declared[owner].get("secret")) and owner not in read.secrets
            if is_hidden and not name.endswith("_FILE"):
                message = f"it reads {name}, a secret that it does not name, and so is not given it"
                yield findings.make(
                    "secret-not-named", read.path, read.line, message, f"name it: secrets={owner}"
                )
        elif name not in known and not name.startswith(("ENTRYKIT_", "LC_")):
            yield from _undeclared(read, configuration)


def _undeclared(read: Read, configuration: "Configuration") -> Iterator[Finding]:
    name, declared = read.name, configuration["env"]
    near = next((other for other in declared if near_misses.is_near(name, other)), "")
    if near:
        message = f"it reads {name}, which is not declared"
        yield findings.make(
            "misspelt-variable", read.path, read.line, message, f"did you mean {near}?"
        )
    elif looks_secret(name):
        yield _secret_name(name, read.path, read.line)
    elif declared:
        message = f"it reads {name}, which is not declared"
        mend = f"declare it: [env.{name}]"
        yield findings.make("undeclared-variable", read.path, read.line, message, mend)


def looks_secret(name: str) -> bool:
    """Tell whether a name is one that people give to secrets."""
    return _SECRET_NAME.search(name) is not None


def declared_secrets(
    configuration: "Configuration", path: bytes, lines: dict[tuple[str, ...], int]
) -> Iterator[Finding]:
    """Yield the declared variables that look like secrets and are not declared as such."""
    for name, variable in configuration["env"].items():
        if looks_secret(name) and not variable.get("secret") and "secret" not in variable:
            yield _secret_name(name, path, lines.get(("env", name), 0))


def _secret_name(name: str, path: bytes, line: int) -> Finding:
    message = f"{log.text(name.encode())} looks like a secret and is not declared one"
    mend = f"[env.{name}] secret = true; or false, if it is none"
    return findings.make("secret-name", path, line, message, mend)
