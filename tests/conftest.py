"""What tests need beside Python: where it is missing they are skipped, and counted at the end.

A marker names the requirement. `ENTRYKIT_REQUIRE=docker,root` makes a missing one a failure: for a
machine that is to run all of them.
"""

import compileall
import contextlib
import ctypes
import functools
import gc
import glob
import os
import shutil
import signal
import socket
import subprocess
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import entrykit

pytest_plugins = ["pytester"]
# What plugin/test_backends.py runs, once with each backend.
collect_ignore = ["plugin/everywhere"]

_MARK = "not run"


def _is_root() -> bool:
    return os.geteuid() == 0


def _can_become_others() -> bool:
    """Tell whether this is root, and whoever it becomes may run Debian's Python."""
    words = ["/usr/bin/python3", "-IS", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        nobody = subprocess.run(words, check=False, user=65534, group=65534, extra_groups=[])
    except (OSError, subprocess.SubprocessError):
        return False
    return _is_root() and nobody.returncode == 0


def _can_make_namespaces() -> bool:
    words = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    try:
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _has_inits() -> bool:
    return all(shutil.which(name) for name in ("tini", "dumb-init", "catatonit"))


def _has_envsubst() -> bool:
    return shutil.which("envsubst") is not None


def _has_engine() -> bool:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    client = None
    with contextlib.suppress(DockerException):
        client = docker.from_env(timeout=10)
    if client is None:
        # It leaves a socket for the collector, which warns of it in the middle of some test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _can_make_sandboxes() -> bool:
    from entrykit.testing import sandbox

    return not sandbox.refusal()


def _can_be_another_user() -> bool:
    """Tell whether a user without rights reads this directory, and has a Python."""
    words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    root = Path(__file__).parents[1]
    words += ["env", f"PYTHONPATH={root}", "/usr/bin/python3", "-m", "entrykit", "--version"]
    try:
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _has_crypt() -> bool:
    try:
        ctypes.CDLL("libcrypt.so.1")
    except OSError:
        return False
    return True


def _has_postgres() -> bool:
    return bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


def _has_official_nginx() -> bool:
    scripts = Path(__file__).with_name("docker") / "nginx-official"
    return (scripts / "docker-entrypoint.sh").exists()


# What a requirement is, whether it is met, and what is the matter where it is not.
_REQUIREMENTS: dict[str, tuple[str, Callable[[], bool], str]] = {
    "docker": ("a Docker engine", _has_engine, "no engine answers"),
    "root": ("root", _is_root, "this is another user"),
    "others": (
        "root, and a Python that others may run",
        _can_become_others,
        "this is another user, or /usr/bin/python3 is missing or older than 3.11",
    ),
    "namespace": (
        "the right to make PID namespaces",
        _can_make_namespaces,
        "unshare(1) may not make one, or is missing",
    ),
    "sandbox": (
        "the right to make user namespaces",
        _can_make_sandboxes,
        "the machine refuses them, or overlays in them",
    ),
    "other_user": (
        "root, and a Python and a checkout that other users can read",
        _can_be_another_user,
        "setpriv(1) may not become nobody, or /usr/bin/python3 does not run entrykit for it",
    ),
    "ipv6": ("an IPv6 loopback address", _has_ipv6, "::1 cannot be had"),
    "crypt": ("crypt(3)", _has_crypt, "there is no libcrypt.so.1"),
    "openssl": ("openssl(1)", lambda: shutil.which("openssl") is not None, "it is missing"),
    "gosu": (
        "gosu and setpriv",
        lambda: all(map(shutil.which, ("gosu", "setpriv"))),
        "apt-get install gosu util-linux",
    ),
    "postgres": ("Debian's Postgres server", _has_postgres, "postgresql is not installed"),
    "official_nginx": (
        "the official nginx image's scripts",
        _has_official_nginx,
        "tests/docker/nginx-official/README.md says how to get them",
    ),
    "inits": (
        "tini, dumb-init and catatonit",
        _has_inits,
        "apt-get install tini dumb-init catatonit",
    ),
    "shells": (
        "mksh and zsh",
        lambda: all(map(shutil.which, ("mksh", "zsh"))),
        "apt-get install mksh zsh",
    ),
    "envsubst": ("gettext's envsubst", _has_envsubst, "apt-get install gettext-base"),
}


@functools.cache
def _is_met(requirement: str) -> bool:
    """Tell whether a requirement is met; asked once, and only where a test has it."""
    return _REQUIREMENTS[requirement][1]()


def _required() -> set[str]:
    return {word.strip() for word in os.environ.get("ENTRYKIT_REQUIRE", "").split(",")} - {""}


def pytest_configure(config: pytest.Config) -> None:
    """Declare a marker for each requirement, and refuse one that nobody knows."""
    # What is not compiled, and lies where a start may not write, is compiled by each start anew.
    compileall.compile_dir(Path(entrykit.__file__).parent, quiet=2)
    # A shell without job control starts what it puts in the background with these ignored, and all
    # that a test starts would inherit that (POSIX, XCU 2.11).
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    for requirement, (what, _, _) in _REQUIREMENTS.items():
        config.addinivalue_line("markers", f"{requirement}: needs {what}")
    if unknown := _required() - _REQUIREMENTS.keys():
        known = ", ".join(_REQUIREMENTS)
        message = f"ENTRYKIT_REQUIRE: {', '.join(sorted(unknown))} is unknown; known are {known}"
        raise pytest.UsageError(message)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose requirement is missing; fail it where it was asked for."""
    for requirement, (what, _, matter) in _REQUIREMENTS.items():
        if item.get_closest_marker(requirement) is None or _is_met(requirement):
            continue
        if requirement in _required():
            pytest.fail(f"needs {what}, which ENTRYKIT_REQUIRE asks for: {matter}", pytrace=False)
        # Reports carry it from the processes of pytest-xdist to the one that sums up.
        item.user_properties.append((_MARK, requirement))
        pytest.skip(f"needs {what}: {matter}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line how many tests were not run, and what they need."""
    counts = Counter(
        value
        for report in terminalreporter.stats.get("skipped", [])
        for name, value in getattr(report, "user_properties", ())
        if name == _MARK
    )
    if counts:
        parts = [
            f"{count} {'test needs' if count == 1 else 'tests need'} {what} ({matter})"
            for requirement, (what, _, matter) in _REQUIREMENTS.items()
            if (count := counts[requirement])
        ]
        terminalreporter.write_line(f"not run: {', '.join(parts)}", yellow=True)
