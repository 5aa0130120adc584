"""Measure what a start costs: entrykit beside a direct exec, a shell script and bare Python.

Every cell of the table is one whole process, from its spawn to its end, and its last step is an
exec of /bin/true. Rule: no column is timed that was not seen to run its hooks first, each once
and in order. A start that skips them is quick, and its figure worthless.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

REPOSITORY = Path(__file__).resolve().parent.parent
SHELL_ENTRYPOINT = REPOSITORY / "benchmarks" / "entrypoint.sh"
DEBIAN_PYTHON = "/usr/bin/python3"
COMMAND = "/bin/true"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIGURATION = 'grace = "5s"\n'
HOOK_COUNT = 10
WARM_UP_ROUNDS = 3


class Kind(NamedTuple):
    """The hooks of one row: their suffix, their text, and the line that proves that one ran."""

    suffix: str
    text: str
    proof: str


class Column(NamedTuple):
    """One way to start the command; `environ` is what only this way needs."""

    argv: tuple[str, ...]
    environ: dict[str, str]
    runs_hooks: bool


class Target(NamedTuple):
    """A promise: in `row`, entrykit baked takes at most `limit` times as long as `base`."""

    row: str
    base: str
    limit: float | None


Samples: TypeAlias = dict[tuple[str, str], list[int]]

TITLES = {
    "direct": "direct exec",
    "shell": "shell entrypoint",
    "bare": "bare interpreter",
    "unbaked": "entrykit unbaked",
    "baked": "entrykit baked",
}
NO_HOOKS, SH, ENVSH, PY = (
    "no hooks",
    f"{HOOK_COUNT} `.sh`",
    f"{HOOK_COUNT} `.envsh`",
    f"{HOOK_COUNT} `.py`",
)
SHELL_PROOF = 'echo "{name}" >>"{trace}"\n'
PYTHON_PROOF = 'with open("{trace}", "a") as trace:\n    trace.write("{name}\\n")\n'
ROWS: dict[str, Kind | None] = {
    NO_HOOKS: None,
    SH: Kind(".sh", "#!/bin/sh\n:\n", SHELL_PROOF),
    ENVSH: Kind(".envsh", "export A_{number}={number}\n", SHELL_PROOF),
    PY: Kind(".py", "x = 1\n\n\ndef hook(start):\n    pass\n", PYTHON_PROOF),
}
TARGETS = (
    Target(NO_HOOKS, "bare", 1.25),
    Target(SH, "shell", 1.3),
    Target(ENVSH, "shell", None),
    Target(PY, "shell", 0.25),
)


def main() -> int:
    """Measure, print the tables, and say with the exit status whether the promises hold."""
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        columns = prepare_columns(directory, options.python, options.columns)
        hooks, proofs = write_hooks(directory, directory / "trace")
        environ = {
            "PATH": SEARCH_PATH,
            "BENCHMARK_PYTHON": options.python,
        }
        prove(columns, proofs, environ, directory)
        samples = measure(columns, hooks, environ, options.rounds)
        facts = machine_facts(options.python, directory)
    medians = {cell: statistics.median(times) / 1e6 for cell, times in samples.items()}
    report = [*facts, f"medians of {options.rounds} interleaved rounds"]
    write_out("\n".join([", ".join(report), "", *times_table(medians, options.columns), ""]))
    lines, all_hold = targets_table(medians)
    write_out("\n".join(lines))
    if options.json:
        write_json(options.json, facts, samples)
    return 1 if options.check and not all_hold else 0


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default_python = DEBIAN_PYTHON if os.access(DEBIAN_PYTHON, os.X_OK) else sys.executable
    parser.add_argument("--rounds", type=positive_count, default=100, metavar="N")
    parser.add_argument(
        "--python",
        default=default_python,
        metavar="FILE",
        help="the interpreter of all columns (default: Debian's, else the one that runs this)",
    )
    parser.add_argument(
        "--columns",
        type=column_names,
        default=list(TITLES),
        metavar="NAMES",
        help=f"measure only these, separated by commas: {', '.join(TITLES)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 when a target does not hold or was not measured",
    )
    return parser.parse_args()


def positive_count(word: str) -> int:
    """Return the number that `word` spells; argparse reports the ValueError."""
    count = int(word)
    if count < 1:
        raise ValueError(word)
    return count


def column_names(word: str) -> list[str]:
    """Return the columns that `word` lists, in the table's order."""
    names = word.split(",")
    for name in names:
        if name not in TITLES:
            message = f"no column {name!r}; there are {', '.join(TITLES)}"
            raise argparse.ArgumentTypeError(message)
    return [name for name in TITLES if name in names]


def prepare_columns(directory: Path, python: str, names: Sequence[str]) -> dict[str, Column]:
    """Return the columns asked for; bake the launcher into `directory` if it is one of them."""
    configuration = directory / "entrykit.toml"
    configuration.write_text(CONFIGURATION)
    launcher = directory / "entrypoint"
    entrykit = (python, "-m", "entrykit")
    # Only the columns that need it: each Python hook of the shell entrypoint would search it too.
    source = {"PYTHONPATH": str(REPOSITORY)}
    replace = f"import posix; posix.execv({COMMAND!r}, [{COMMAND!r}])"
    columns = {
        "direct": Column((COMMAND,), {}, runs_hooks=False),
        "shell": Column((str(SHELL_ENTRYPOINT), COMMAND), {}, runs_hooks=True),
        "bare": Column((python, "-I", "-S", "-c", replace), {}, runs_hooks=False),
        "unbaked": Column(
            (*entrykit, "run", "--config", str(configuration), "--", COMMAND),
            source,
            runs_hooks=True,
        ),
        "baked": Column((str(launcher), COMMAND), {}, runs_hooks=True),
    }
    if "baked" in names:
        bake = (*entrykit, "bake", "--config", str(configuration), "-o", str(launcher))
        environ = {"PATH": SEARCH_PATH, **source}
        run_checked(bake, environ, directory / "output", "cannot bake entrykit's launcher")
    return {name: columns[name] for name in names}


def write_hooks(directory: Path, trace: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Write the hooks of each row twice: trivial ones to time, and ones that leave a trace.

    Return the hook directory of each row, of the trivial ones and of the others.
    """
    hooks: dict[str, Path] = {}
    proofs: dict[str, Path] = {}
    for row, kind in ROWS.items():
        folder = kind.suffix[1:] if kind else "none"
        hooks[row] = directory / "hooks" / folder
        proofs[row] = directory / "proofs" / folder
        hooks[row].mkdir(parents=True)
        proofs[row].mkdir(parents=True)
        if kind is None:
            continue
        for number, name in enumerate(hook_names(kind), start=1):
            text = kind.text.format(number=number)
            write_hook(hooks[row] / name, text)
            write_hook(proofs[row] / name, text + kind.proof.format(name=name, trace=trace))
    return hooks, proofs


def hook_names(kind: Kind | None) -> list[str]:
    """Return the names of a row's hooks in version order, which bytewise order is not."""
    return [f"{number}-hook{kind.suffix}" for number in range(1, HOOK_COUNT + 1)] if kind else []


def write_hook(path: Path, text: str) -> None:
    """Write one hook; only `.sh` is executable, as in the images whose hooks these imitate."""
    path.write_text(text)
    path.chmod(0o755)


def prove(
    columns: dict[str, Column], proofs: dict[str, Path], environ: dict[str, str], directory: Path
) -> None:
    """Start every cell once with hooks that leave a trace, and end the benchmark if one lies."""
    trace = directory / "trace"
    for row, kind in ROWS.items():
        for name, column in columns.items():
            trace.write_text("")
            problem = f"cannot measure {TITLES[name]!r} with {row}"
            cell_environ = environ_of(column, proofs[row], environ)
            run_checked(column.argv, cell_environ, directory / "output", problem)
            seen = trace.read_text().splitlines()
            expected = hook_names(kind) if column.runs_hooks else []
            if seen != expected:
                sys.exit(f"benchmark: {problem}: it ran {seen}, not {expected}")


def environ_of(column: Column, hooks: Path, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment of one cell: the hook directory under both names, for all columns."""
    directories = {"BENCHMARK_HOOKS": str(hooks), "ENTRYKIT_HOOKS": str(hooks)}
    return {**environ, **directories, **column.environ}


def measure(
    columns: dict[str, Column], hooks: dict[str, Path], environ: dict[str, str], rounds: int
) -> Samples:
    """Return the nanoseconds of wall time of every cell, one for each round.

    A round starts each cell once, in an order of its own: what drifts with time (frequency, other
    tenants) then meets all cells alike, and none always follows the same neighbour.
    """
    cells = {
        (row, name): (column.argv, environ_of(column, hooks[row], environ))
        for row in ROWS
        for name, column in columns.items()
    }
    samples: Samples = {cell: [] for cell in cells}
    shuffle = random.Random(0).shuffle  # noqa: S311 - an order, the same at each run; no secret
    order = list(cells)
    sys.stderr.write(f"benchmark: {(rounds + WARM_UP_ROUNDS) * len(cells)} starts\n")
    for number in range(-WARM_UP_ROUNDS, rounds):
        shuffle(order)
        for cell in order:
            argv, cell_environ = cells[cell]
            began = time.perf_counter_ns()
            status = run(argv, cell_environ)
            elapsed = time.perf_counter_ns() - began
            if status != 0:
                sys.exit(f"benchmark: {' '.join(argv)} ended with {status} in round {number}")
            if number >= 0:
                samples[cell].append(elapsed)
    return samples


def run(argv: tuple[str, ...], environ: dict[str, str], output: str = os.devnull) -> int:
    """Run one process to its end, both its outputs into the file `output`; return its status."""
    descriptors = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    )
    process = os.posix_spawn(argv[0], argv, environ, file_actions=descriptors)
    return os.waitstatus_to_exitcode(os.wait4(process, 0)[1])


def run_checked(
    argv: tuple[str, ...], environ: dict[str, str], output: Path, problem: str
) -> list[str]:
    """Run one process and return its lines; end the benchmark with `problem` where it fails."""
    try:
        status = run(argv, environ, str(output))
    except OSError as error:
        sys.exit(f"benchmark: {problem}: {argv[0]}: {error.strerror}")
    lines = output.read_text(errors="replace").splitlines()
    if status != 0:
        said = lines[-1] if lines else "nothing said"
        sys.exit(f"benchmark: {problem}: `{' '.join(argv)}` ended with {status}: {said}")
    return lines


def machine_facts(python: str, directory: Path) -> list[str]:
    """Return what the figures depend on: cores, kernel, interpreter and shell."""
    problem = "cannot ask the interpreter for its version"
    environ = {"PATH": SEARCH_PATH}
    version = run_checked((python, "-V"), environ, directory / "output", problem)
    return [
        f"{len(os.sched_getaffinity(0))} cores",
        f"{platform.system()} {platform.release()} {platform.machine()}",
        f"{python} = {version[0]}",
        f"/bin/sh = {Path('/bin/sh').resolve().name}",
    ]


def times_table(medians: dict[tuple[str, str], float], names: Sequence[str]) -> list[str]:
    """Return the table of medians, in milliseconds."""
    lines = [
        table_line(["ms", *(TITLES[name] for name in names)]),
        table_line(["---", *("---:" for _ in names)]),
    ]
    lines.extend(
        table_line([row, *(f"{medians[row, name]:.2f}" for name in names)]) for row in ROWS
    )
    return lines


def targets_table(medians: dict[tuple[str, str], float]) -> tuple[list[str], bool]:
    """Return the table of ratios with their targets, and whether all of these were seen to hold."""
    lines = [
        table_line(["ratio", "", "measured", "target", ""]),
        table_line(["---", "---", "---:", "---:", "---"]),
    ]
    all_hold = True
    for row, base, limit in TARGETS:
        what = f"{TITLES['baked']} / {TITLES[base]}"
        promise = "none" if limit is None else f"at most {limit}"
        if (row, "baked") not in medians or (row, base) not in medians:
            measured, verdict = "-", "not measured"
        else:
            ratio = medians[row, "baked"] / medians[row, base]
            measured = f"{ratio:.3f}"
            verdict = "" if limit is None else "holds" if ratio <= limit else "DOES NOT HOLD"
        all_hold = all_hold and (limit is None or verdict == "holds")
        lines.append(table_line([row, what, measured, promise, verdict]))
    return lines, all_hold


def table_line(words: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(words)} |"


def write_json(path: Path, facts: list[str], samples: Samples) -> None:
    """Write the machine's facts and every sample, in nanoseconds, for tools to read."""
    rows: dict[str, dict[str, list[int]]] = {}
    for (row, name), times in samples.items():
        rows.setdefault(row.replace("`", ""), {})[name] = times
    path.write_text(json.dumps({"machine": facts, "nanoseconds": rows}, indent=1) + "\n")


def write_out(text: str) -> None:
    """Write a piece of the report to stdout."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
