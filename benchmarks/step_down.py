"""Measure what a step-down costs: entrykit beside gosu and setpriv, process by process.

Each figure is one whole process that ends in an exec of /bin/true as another user. Rule: nothing is
timed before each way was seen to make its command that user.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.start import (
    COMMAND,
    DEBIAN_PYTHON,
    REPOSITORY,
    SEARCH_PATH,
    Column,
    machine_facts,
    positive_count,
    run,
    run_checked,
    table_line,
    write_out,
)

WARM_UP_ROUNDS = 3
USER = "nobody"
DIRECT, GOSU, SETPRIV = "direct exec, as root", "gosu", "setpriv --init-groups"
BARE, EXEC = "bare interpreter, as root", "entrykit exec"
BAKED, BAKED_USER = "entrykit baked, as root", "entrykit baked, `user`"
RATIOS = ((EXEC, GOSU), (EXEC, SETPRIV), (BAKED_USER, BAKED))


def main() -> int:
    """Measure, and print the tables."""
    options = parse_options()
    if os.geteuid() != 0:
        sys.exit("benchmark: only root can step down")
    for peer in ("gosu", "setpriv"):
        if not shutil.which(peer, path=SEARCH_PATH):
            sys.exit(f"benchmark: there is no {peer}: apt-get install gosu util-linux")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        ways = prepare(directory, options.python)
        prove(ways, directory)
        samples = measure(ways, options.rounds)
        facts = machine_facts(options.python, directory)
    medians = {way: statistics.median(times) / 1e6 for way, times in samples.items()}
    facts.append(f"medians of {options.rounds} interleaved rounds")
    write_out("\n".join([", ".join(facts), "", *tables(medians)]))
    return 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default_python = DEBIAN_PYTHON if os.access(DEBIAN_PYTHON, os.X_OK) else sys.executable
    parser.add_argument("--rounds", type=positive_count, default=100, metavar="N")
    parser.add_argument("--python", default=default_python, metavar="FILE")
    return parser.parse_args()


def prepare(directory: Path, python: str) -> dict[str, Column]:
    """Return the ways, without the command's words; write what they need."""
    source = {"PYTHONPATH": str(REPOSITORY)}
    launchers = {}
    for name, line in (("root", ""), ("user", f'user = "{USER}"\n')):
        configuration = directory / f"{name}.toml"
        configuration.write_text(line)
        launcher = launchers[name] = str(directory / name)
        bake = (python, "-m", "entrykit", "bake", "--config", str(configuration), "-o", launcher)
        environ = {"PATH": SEARCH_PATH, **source}
        run_checked(bake, environ, directory / "output", "cannot bake entrykit's launcher")
    group = "--regid=nogroup"
    words = {
        DIRECT: (),
        GOSU: (program("gosu"), USER),
        SETPRIV: (program("setpriv"), f"--reuid={USER}", group, "--init-groups"),
        BARE: (python, "-IS", "-c", "import posix, sys; posix.execv(sys.argv[1], sys.argv[1:])"),
        EXEC: (console_script(directory, python), "exec", "--user", USER, "--"),
        BAKED: (launchers["root"],),
        BAKED_USER: (launchers["user"],),
    }
    needs_source = {EXEC: source}
    return {
        way: Column(argv, needs_source.get(way, {}), runs_hooks=False)
        for way, argv in words.items()
    }


def console_script(directory: Path, python: str) -> str:
    """Return a script as pip writes it for `entrykit`."""
    path = directory / "entrykit"
    path.write_text(
        f"#!{python}\nimport sys\nfrom entrykit.__main__ import main\nsys.exit(main())\n"
    )
    path.chmod(0o755)
    return str(path)


def program(name: str) -> str:
    """Return the path of a program that was looked for already."""
    return shutil.which(name, path=SEARCH_PATH) or name


def prove(ways: dict[str, Column], directory: Path) -> None:
    """See once that each way makes its command the user that it says."""
    directory.chmod(0o755)
    for way, column in ways.items():
        argv = (*column.argv, "/usr/bin/id", "-un")
        environ = {"PATH": SEARCH_PATH, **column.environ}
        lines = run_checked(argv, environ, directory / "output", f"cannot measure {way!r}")
        wanted = "root" if way in (DIRECT, BARE, BAKED) else USER
        if lines != [wanted]:
            sys.exit(f"benchmark: {way!r} made its command {lines}, not {wanted}")


def measure(ways: dict[str, Column], rounds: int) -> dict[str, list[int]]:
    """Return the nanoseconds of wall time of each way, in rounds of an order shuffled anew."""
    samples: dict[str, list[int]] = {way: [] for way in ways}
    shuffle = random.Random(0).shuffle  # noqa: S311 - an order, the same at each run; no secret
    order = list(ways)
    for number in range(-WARM_UP_ROUNDS, rounds):
        shuffle(order)
        for way in order:
            column = ways[way]
            began = time.perf_counter_ns()
            status = run((*column.argv, COMMAND), {"PATH": SEARCH_PATH, **column.environ})
            elapsed = time.perf_counter_ns() - began
            if status != 0:
                sys.exit(f"benchmark: {way!r} ended with {status}")
            if number >= 0:
                samples[way].append(elapsed)
    return samples


def tables(medians: dict[str, float]) -> list[str]:
    """Return the table of medians and that of ratios."""
    return [
        table_line(["ms", ""]),
        table_line(["---", "---:"]),
        *(table_line([way, f"{milliseconds:.2f}"]) for way, milliseconds in medians.items()),
        "",
        table_line(["ratio", "measured"]),
        table_line(["---", "---:"]),
        *(
            table_line([f"{way} / {base}", f"{medians[way] / medians[base]:.3f}"])
            for way, base in RATIOS
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
