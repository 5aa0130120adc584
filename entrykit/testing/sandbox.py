"""The backend `sandbox`: namespaces with an overlay over the machine's files; root or not."""

import os
from pathlib import Path
from typing import Any

from entrykit.testing.given import (
    CONFIGURATION,
    HIDDEN,
    HOOK_DIRECTORY,
    SECRETS,
    STUBS,
    Given,
    parsed,
)
from entrykit.testing.session import Refused, Session

NAME = "sandbox"
_MAPPING = (("SETGID", 6), ("SETUID", 7), ("SETFCAP", 31))
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
    # What a tree of the author's own has is meant, where nothing is given in its place.
    given_paths = (CONFIGURATION * (given.config is not None), HOOK_DIRECTORY * bool(given.hooks))
    hidden = [path for path in HIDDEN if not given.root or path in given_paths]
    if stubs:
        path = dict(entries)[b"PATH"].split(b":")[0].decode()
        for name, script in stubs.items():
            place = name if os.path.isabs(name) else f"{path}/{name}"
            files.append((place, script, 0o755, 0, 0))
        files.append((f"{STUBS}/.keep", b"", 0o644, 0, 0))
    return {
        "sandboxed": True,
        "network": given.network,
        "root": given.root,
        "hidden": hidden,
        "files": files,
        "words": given.words(),
        "parsed": parsed(given.config),
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


def mend(settings: str = "/proc/sys", status: str = "/proc/self/status") -> str:
    """Return what lets this machine allow one, from its settings as far as these tell."""
    if missing := _missing_capabilities(Path(status).read_text(encoding="ascii")):
        return f"root needs {missing} for it (in a container --cap-add); or be another user"
    for name, forbids, allows in _SETTINGS:
        try:
            with open(f"{settings}/{name}", encoding="ascii") as file:
                is_forbidden = file.read().strip() == forbids
        except OSError:
            continue
        if is_forbidden:
            return f"`sysctl {name.replace('/', '.')}={allows}` allows one"
    return "a container needs seccomp=unconfined and apparmor=unconfined for it"


def _missing_capabilities(status: str) -> str:
    """Return what root has not of the capabilities that map users (user_namespaces(7))."""
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    has, is_root = int(lines["CapEff"], 16), lines["Uid"].split()[1] == "0"
    return ", ".join(name for name, number in _MAPPING if is_root and not has >> number & 1)


def kind() -> str:
    """Return how the sandbox is made here."""
    who = "as root" if os.geteuid() == 0 else "unprivileged"
    return f"namespaces and an overlay, {who}"
