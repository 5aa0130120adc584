"""Measure what a test of a hook costs: the author's session of docs/testing.md as it stands there.

Rule: no session is timed whose test was not seen to pass. The start is timed by the plugin itself,
from the fork of its process to its end; the session is the whole `pytest`, its interpreter too.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.start import REPOSITORY, machine_facts, positive_count, write_out

PAGE = REPOSITORY / "docs" / "testing.md"
# A second test, which says how long its start took.
TIMED = """

def test_how_long_a_start_takes(entrypoint):
    outcome = entrypoint(secrets={"APP_PASSWORD": "geheim"}, command=["-bind", ":80"])
    print(f"start={outcome.duration}=")
"""
TITLES = (
    "the session",
    "of which the start",
    "collecting a test without the fixture",
    "the same, without the plugin",
)
UNUSED = "def test_nothing():\n    pass\n"


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=positive_count, default=20, metavar="N")
    parser.add_argument(
        "--python",
        default=sys.executable,
        metavar="FILE",
        help="an interpreter that has entrykit[testing]; default: the one that runs this",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        session, timed, unused = (directory / one for one in ("session", "timed", "unused"))
        write_session(session, "")
        write_session(timed, TIMED)
        unused.mkdir()
        (unused / "test_unused.py").write_text(UNUSED)
        # The first round compiles what the others load.
        rounds = [
            measure(options.python, session, timed, unused) for _ in range(options.rounds + 1)
        ]
        facts = machine_facts(options.python, directory)
    write_out(", ".join([*facts, f"medians of {options.rounds} rounds"]) + "\n")
    write_out("| ms | median | least |\n| --- | ---: | ---: |")
    for title, samples in zip(TITLES, zip(*rounds[1:], strict=True), strict=True):
        median, least = statistics.median(samples) * 1e3, min(samples) * 1e3
        write_out(f"| {title} | {median:.0f} | {least:.0f} |")
    return 0


def measure(python: str, session: Path, timed: Path, unused: Path) -> tuple[float, ...]:
    """Return the seconds that each of TITLES takes."""
    return (
        run(python, session)[0],
        float(run(python, timed, "-s")[1].split("start=")[1].split("=")[0]),
        run(python, unused, "--collect-only")[0],
        run(python, unused, "--collect-only", "-p", "no:entrykit")[0],
    )


def write_session(place: Path, more: str) -> None:
    """Write the files that the page shows, and more tests."""
    text = PAGE.read_text(encoding="utf-8")
    sh, toml, python = (
        re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
        for language in ("sh", "toml", "python")
    )
    hook = place / "docker-entrypoint.d" / "20-htpasswd.sh"
    hook.parent.mkdir(parents=True)
    hook.write_text(sh)
    hook.chmod(0o755)
    (place / "entrykit.toml").write_text(toml)
    (place / "test_hooks.py").write_text(python + more)


def run(python: str, place: Path, *options: str) -> tuple[float, str]:
    """Return how long a pytest takes, and what it says. Its tests must pass."""
    words = [python, "-m", "pytest", "-p", "no:cacheprovider", *options]
    environ = {"PATH": os.environ["PATH"]}
    began = time.monotonic()
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, cwd=place, env=environ
    )
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"a session that fails is not timed:\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


if __name__ == "__main__":
    sys.exit(main())
