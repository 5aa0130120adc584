"""Measure what a waiting init holds in memory: entrykit's beside others', and bare Python.

Each waits for a command that sleeps; each is measured while another of its kind waits too, so that
what two share does not count as private.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEBIAN_PYTHON = "/usr/bin/python3"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND = ("sleep", "300")
PEERS = {"tini": ("tini", "-s", "--"), "dumb-init": ("dumb-init",), "catatonit": ("catatonit",)}
BARE = "import _signal; _signal.sigwait([15])"
LIMIT = 1.2


def measure(words: tuple[str, ...]) -> dict[str, int]:
    """Return the KiB of a process, by the names of proc(5), smaps_rollup, and their private sum."""
    environment = {"PATH": SEARCH_PATH, "PYTHONPATH": str(REPOSITORY)}
    started = [
        subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    # Until both wait: nothing tells.
    time.sleep(1)
    lines = Path(f"/proc/{started[0].pid}/smaps_rollup").read_text().splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    for process in started:
        process.terminate()
        process.wait()
    return {
        "RSS": found["Rss"],
        "PSS": found["Pss"],
        "private": found["Private_Clean"] + found["Private_Dirty"],
    }


def main() -> int:
    """Print the table; return 1 where the limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python", default=DEBIAN_PYTHON if os.path.exists(DEBIAN_PYTHON) else sys.executable
    )
    python = parser.parse_args().python
    rows = {
        name: measure((*words, *COMMAND)) for name, words in PEERS.items() if shutil.which(name)
    }
    rows["bare interpreter"] = measure((python, "-IS", "-c", BARE))
    start = (python, "-m", "entrykit", "run", "--init", "--")
    rows["entrykit"] = measure((*start, *COMMAND))
    print("| KiB | RSS | PSS | private |\n| --- | ---: | ---: | ---: |")
    for name, row in rows.items():
        print(f"| {name} | {row['RSS']} | {row['PSS']} | {row['private']} |")
    ratio = rows["entrykit"]["private"] / rows["bare interpreter"]["private"]
    verdict = "holds" if ratio <= LIMIT else "DOES NOT HOLD"
    print(f"\nprivate, entrykit / bare interpreter: {ratio:.2f}, at most {LIMIT}: {verdict}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
