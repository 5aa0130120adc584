"""The backend `sandbox`: namespaces with an overlay over the machine's files; root or not."""

import os
from typing import Any

from entrykit.testing.given import CONFIGURATION, HIDDEN, HOOK_DIRECTORY, SECRETS, STUBS, Given
from entrykit.testing.session import Refused, Session

NAME = "sandbox"
# What forbids user namespaces (user_namespaces(7); the last two are Debian's and Ubuntu's).
_SETTINGS = (
    ("user/max_user_namespaces", "0", "10000"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
)


def told(given: Given, stubs: dict[str, bytes]) -> dict[str, Any]:
    """Return what the keeper is told."""
    files = [(path, content, mode, 0, 0) for path, content, mode in given.files]
    files += [(f"{HOOK_DIRECTORY}/{name}", inner, mode, 0, 0) for name, inner, mode in given.hooks]
    # As engines give secrets: whoever starts can read them.
    files += [(f"{SECRETS}/{name}", value, 0o444, 0, 0) for name, value in given.secrets.items()]
    if given.config is not None:
        files.append((CONFIGURATION, given.config, 0o644, 0, 0))
    entries = given.entries()
    if stubs:
        path = dict(entries)[b"PATH"].split(b":")[0].decode()
        for name, script in stubs.items():
            place = name if os.path.isabs(name) else f"{path}/{name}"
            files.append((place, script, 0o755, 0, 0))
        files.append((f"{STUBS}/.keep", b"", 0o644, 0, 0))
    return {
        "sandboxed": True,
        "network": given.network,
        "hidden": list(HIDDEN),
        "files": files,
        "words": given.words(),
        "environment": entries,
        "directory": "/",
    }


def refusal() -> str:
    """Return why this machine allows no sandbox, "" where it does."""
    try:
        Session(told(Given(), {})).close()
    except Refused as error:
        return str(error)
    return ""


def mend(settings: str = "/proc/sys") -> str:
    """Return what lets this machine allow one, from its settings as far as these tell."""
    for name, forbids, allows in _SETTINGS:
        try:
            with open(f"{settings}/{name}", encoding="ascii") as file:
                is_forbidden = file.read().strip() == forbids
        except OSError:
            continue
        if is_forbidden:
            return f"`sysctl {name.replace('/', '.')}={allows}` allows one"
    return "a container needs seccomp=unconfined and apparmor=unconfined for it"


def kind() -> str:
    """Return how the sandbox is made here."""
    who = "as root" if os.geteuid() == 0 else "unprivileged"
    return f"namespaces and an overlay, {who}"
