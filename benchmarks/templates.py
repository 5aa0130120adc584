"""Measure what templates cost: a start with `[templates]` beside envsubst, process by process.

500 templates and 2,000 variables. Each figure is one whole process that ends in an exec of
/bin/true. Rule: nothing is timed before both ways were seen to make the same files.
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
    machine_facts,
    positive_count,
    run,
    run_checked,
    table_line,
    write_out,
)

TEMPLATE_COUNT, VARIABLE_COUNT = 500, 2000
LINES, REFERENCES_IN_LINE = 20, 2
WARM_UP_ROUNDS = 1
LIMIT = 1.0
# What nginx's own entrypoint does, without its messages and directories: the list of the defined
# names once, then a process for each file.
SHELL_LOOP = """\
#!/bin/sh
set -e
names=$(printf '${%s} ' $(awk 'END { for (name in ENVIRON) print name }' </dev/null))
cd "$1"
for template in *.template; do
    envsubst "$names" <"$template" >"$2/${template%.template}"
done
exec /bin/true
"""
SHELL, FIRST, AGAIN = "shell loop", "entrykit baked", "entrykit baked, unchanged"


def main() -> int:
    """Measure, print the table, and say with the exit status whether the promise holds."""
    options = parse_options()
    if not shutil.which("envsubst", path=SEARCH_PATH):
        sys.exit("benchmark: there is no envsubst: apt-get install gettext-base")
    # Beside the repository's files: a tmpfs, as /tmp may be, makes fsync(2) cost nothing.
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir="/var/tmp") as name:
        directory = Path(name)
        source, target = directory / "templates", directory / "target"
        environ = {"PATH": SEARCH_PATH, **write_templates(source)}
        ways = prepare(directory, source, target, options.python)
        prove(ways, target, environ, directory)
        samples = measure(ways, target, environ, options.rounds)
        facts = machine_facts(options.python, directory)
    medians = {way: statistics.median(times) / 1e6 for way, times in samples.items()}
    facts.append(f"medians of {options.rounds} interleaved rounds")
    lines, holds = tables(medians)
    write_out("\n".join([", ".join(facts), "", *lines]))
    return 1 if options.check and not holds else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default_python = DEBIAN_PYTHON if os.access(DEBIAN_PYTHON, os.X_OK) else sys.executable
    parser.add_argument("--rounds", type=positive_count, default=10, metavar="N")
    parser.add_argument("--python", default=default_python, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="exit with 1 where it does not hold")
    return parser.parse_args()


def write_templates(source: Path) -> dict[str, str]:
    """Write the templates, with nginx's own variables among the references; return the others."""
    variables = {
        f"SITE_{number:04}_NAME": f"value-{number}.example.org" for number in range(VARIABLE_COUNT)
    }
    names = list(variables)
    choose = random.Random(0).choice  # noqa: S311 - text to replace, the same at each run
    source.mkdir()
    for number in range(TEMPLATE_COUNT):
        lines = [
            f"    set $own{line} ${{{choose(names)}}}; proxy_pass http://${choose(names)}$uri;\n"
            for line in range(LINES)
        ]
        (source / f"{number:03}.conf.template").write_text("".join(lines))
    return variables


def prepare(directory: Path, source: Path, target: Path, python: str) -> dict[str, tuple[str, ...]]:
    """Return the words of each way; write the shell loop, and bake a launcher."""
    loop = directory / "loop.sh"
    loop.write_text(SHELL_LOOP)
    loop.chmod(0o755)
    configuration, launcher = directory / "entrykit.toml", directory / "entrypoint"
    configuration.write_text(f'[templates]\nfrom = "{source}"\nto = "{target}"\n')
    words = (python, "-m", "entrykit", "bake", "--config", str(configuration), "-o", str(launcher))
    environ = {"PATH": SEARCH_PATH, "PYTHONPATH": str(REPOSITORY)}
    run_checked(words, environ, directory / "output", "cannot bake entrykit's launcher")
    baked = (str(launcher), COMMAND)
    return {SHELL: (str(loop), str(source), str(target)), FIRST: baked, AGAIN: baked}


def prove(
    ways: dict[str, tuple[str, ...]], target: Path, environ: dict[str, str], directory: Path
) -> None:
    """Run each way once, and end the benchmark where the two do not make the same files."""
    made = []
    for way in (SHELL, FIRST):
        empty(target)
        run_checked(ways[way], environ, directory / "output", f"cannot measure {way!r}")
        made.append({path.name: path.read_bytes() for path in target.iterdir()})
    if made[0] != made[1] or len(made[0]) != TEMPLATE_COUNT:
        sys.exit("benchmark: the two ways do not make the same files")


def empty(target: Path) -> None:
    """Leave an empty directory."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()


def measure(
    ways: dict[str, tuple[str, ...]], target: Path, environ: dict[str, str], rounds: int
) -> dict[str, list[int]]:
    """Return the nanoseconds of wall time of each way, one for each round.

    What has not changed is measured right after what has made it; the shell loop goes first and
    last in turn.
    """
    samples: dict[str, list[int]] = {way: [] for way in ways}
    sys.stderr.write(f"benchmark: {(rounds + WARM_UP_ROUNDS) * len(ways)} starts\n")
    for number in range(-WARM_UP_ROUNDS, rounds):
        for way in (SHELL, FIRST, AGAIN) if number % 2 else (FIRST, AGAIN, SHELL):
            if way != AGAIN:
                empty(target)
            began = time.perf_counter_ns()
            status = run(ways[way], environ)
            elapsed = time.perf_counter_ns() - began
            if status != 0:
                sys.exit(f"benchmark: {way} ended with {status} in round {number}")
            if number >= 0:
                samples[way].append(elapsed)
    return samples


def tables(medians: dict[str, float]) -> tuple[list[str], bool]:
    """Return the table of medians and that of ratios, and whether the promise holds."""
    lines = [table_line(["ms", *medians]), table_line(["---", *("---:" for _ in medians)])]
    what = f"{TEMPLATE_COUNT} templates, {VARIABLE_COUNT:,} variables"
    lines.append(table_line([what, *(f"{median:.0f}" for median in medians.values())]))
    lines += ["", table_line(["ratio", "measured", "target", ""])]
    lines.append(table_line(["---", "---:", "---:", "---"]))
    ratio = medians[FIRST] / medians[SHELL]
    verdict = "holds" if ratio < LIMIT else "DOES NOT HOLD"
    lines.append(table_line([f"{FIRST} / {SHELL}", f"{ratio:.3f}", f"below {LIMIT:g}", verdict]))
    ratio_again = medians[AGAIN] / medians[SHELL]
    lines.append(table_line([f"{AGAIN} / {SHELL}", f"{ratio_again:.3f}", "none", ""]))
    return lines, verdict == "holds"


if __name__ == "__main__":
    sys.exit(main())
