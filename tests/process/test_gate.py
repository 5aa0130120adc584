"""The gate: which commands get the set-up, and what the others are told."""
from .starts import Entrypoint

def test_x(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", "echo hello")
    e = entrypoint.run("echo", "x  y")
    print(e)
    assert e.stdout == b"x  y\n"
