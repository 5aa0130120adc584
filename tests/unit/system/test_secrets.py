"""What the wiping of an environment leaves of it."""

import subprocess
import sys

import pytest

# In a process of its own: what is wiped is gone.
WIPES = """\
import os, posix, sys
from entrykit.system import secrets
names = [name.encode() for name in sys.argv[1:]]
secrets.wipe_environment(names or None)
print(open("/proc/self/environ", "rb").read())
print(sorted(posix.environ.items()))
sys.stdout.flush()
os.system("exec cat /proc/self/environ | od -An -c | tr -d ' \\\\n'")
"""
GIVEN = {"A": "1", "PASSWORD": "geheim", "PATH": "/usr/bin:/bin", "PASSWORD_2": "other"}


def wiped(*names: str) -> list[str]:
    words = [sys.executable, "-c", WIPES, *names]
    return subprocess.run(
        words, check=True, capture_output=True, text=True, env=GIVEN
    ).stdout.split("\n")


def test_a_whole_environment_is_zeros_and_the_c_library_has_none() -> None:
    length = sum(len(f"{name}={value}") + 1 for name, value in GIVEN.items())
    assert wiped()[:2] == [repr(bytes(length)), "[]"]


@pytest.mark.parametrize("names", [("PASSWORD",), ("PASSWORD", "MISSING")])
def test_of_names_the_values_alone(names: tuple[str, ...]) -> None:
    shown, held, inner = wiped(*names)
    expected = b"".join(
        f"{name}={value}".encode() + b"\0" for name, value in GIVEN.items()
    ).replace(b"geheim", bytes(6))
    assert shown == repr(expected)
    assert "(b'PASSWORD', b'')" in held
    assert "PASSWORD=\\0" in inner
    assert "geheim" not in inner
    assert "other" in inner
