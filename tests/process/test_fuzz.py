"""Whatever lies in an image, a start ends in its command or in errors, with the ids that it has.

As real starts: the same images as in tests/unit/test_fuzz.py, and what only a whole start shows.
`ENTRYKIT_FUZZ` says how many cases there are of what needs no start; of these there is one for
each forty.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

import entrykit

from .starts import SEARCH_PATH

PACKAGE = f"{os.path.dirname(entrykit.__file__)}/"
# Several tests, since there are several processors.
PARTS = 2
STARTS = max(10, int(os.environ.get("ENTRYKIT_FUZZ", "100")) // 40)
# What the command says of itself: its ids, and what it may do.
FACTS = ("Uid", "Gid", "Groups", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
SAYS = (sys.executable, "-ISc", "print(open('/proc/self/status').read())")
NO_CAPABILITIES = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), "0" * 16)
# Specs that are had, and the ids: `daemon` is Debian's.
USERS = {"daemon": (1, 1), "1500:33": (1500, 33), "0:33": (0, 33), "4294967294": (4294967294, 0)}
# Before any table, where a line of its own is right.
TOP = st.lists(
    st.sampled_from(
        [*(f'user = "{spec}"' for spec in USERS), 'user = "4294967295"', "user = 1500",
         "no-new-privileges = true", "init = true", 'umask = "077"']
    ),
    max_size=3,
    unique_by=lambda line: line.partition(" ")[0],
)  # fmt: skip

TEXT = st.text("aZ0 '\"$\\é:/-=#\n\x1b\u2028", max_size=6)
NAMES = st.sampled_from(
    [
        "10-a.sh",
        "9-b.envsh",
        "5-c.py",
        "7-d",
        "é\n.sh",
        " .sh",
        "-e.sh",
        "x.sql",
        "A",
        "README",
        "$(x)",
    ]
)
HEADS = st.sampled_from(
    ["#!/bin/sh\n", "", "#!/no\n", "#!\n", "\ufeff#!/bin/sh\n", "#!/bin/sh\r\n", "\x7fELF", "MZ\0"]
)
COMMENTS = st.sampled_from(
    ["", "# entrykit: on-error=continue\n", "# entrykit: timeout=5m secrets=A\n", "# entrykit: x\n",
     "# entrykit: timeout=-1\n", "# entrykit: once=../x\n"]
)  # fmt: skip
# What each language reads as nothing, an end, or a fault.
BODIES = st.sampled_from(
    ["", ":\n", "exit 0\n", "exit 7\n", "(\n", "\0\0\n", "x = 1\n", "raise OSError\n"]
)
ASKS = st.builds(
    lambda kind, name, value: f'printf %s {value} >"$ENTRYKIT_{kind}/"{name}\n',
    st.sampled_from(["ENV", "UNSET", "OPTIONS", "ARGS"]),
    st.sampled_from(["A", "B", "1", "x y", "ENTRYKIT_LOG", "é"]).map(shlex.quote),
    TEXT.map(shlex.quote),
)
# Most are sound: else hardly one start in fifty comes as far as to run a hook.
SOUND = st.just("#!/bin/sh\n")
HOOKS = st.dictionaries(
    NAMES,
    st.tuples(
        st.tuples(SOUND | SOUND | HEADS, st.just("") | COMMENTS, ASKS | BODIES).map("".join),
        st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=3,
)
KEYS = st.lists(
    st.sampled_from(
        ['program = ["env", "-i"]', f'program = "{sys.executable}"', 'commands = ["*"]',
         'grace = "1s"', "stop-signals = ['HUP']", 'timeout = "1m"', 'rewrite = ["TERM=QUIT"]',
         "ok-status = [3]", 'forward = "group"', "env-files = ['/no']"]
    ),
    max_size=3,
    unique_by=lambda line: line.partition(" ")[0],
)  # fmt: skip
TABLES = st.lists(
    st.sampled_from(
        ["[env.A]\nsecret = true", "[env.A]\nsecret = true\nexpose = true",
         "[env.A]\nrequired = true", '[env.B]\ndefault = "${A}"',
         '[env.B]\ntype = "int"\ndefault = 1', "[env.C]\ndefault = 'c'",
         "[env.D]\nfile = true\ndeprecated = ['A']", "[hooks.A]\ntimeout = 60",
         '[hooks."7-d"]', "[runners]\n'.sql' = ['cat']"]
    ),
    max_size=3,
    unique_by=lambda table: table.partition("\n")[0],
)  # fmt: skip
FAULTS = st.sampled_from([""] * 9 + ["umask = 18", '"', "\x1b = 1", "secret = true", "[env.A]"])
LINES = st.builds(lambda keys, fault, tables: [*keys, fault, *tables], KEYS, FAULTS, TABLES)
ENV_DIR = st.dictionaries(
    st.sampled_from(["B", "C"]) | st.sampled_from(["A", "A_FILE", "x y", "ENTRYKIT_X"]),
    TEXT,
    max_size=2,
)


def expected_facts(direct: str, configuration: str) -> dict[str, str]:
    """Return what a command says of itself, given what one says that is started directly."""
    expected = facts(direct)
    document = tomllib.loads(configuration)
    if document.get("no-new-privileges"):
        expected["NoNewPrivs"] = "1"
    if os.geteuid() == 0 and "user" in document:
        uid, gid = USERS[document["user"]]
        expected |= {"Uid": "\t".join([str(uid)] * 4), "Gid": "\t".join([str(gid)] * 4)}
        expected |= {"Groups": f"{gid} "} | (NO_CAPABILITIES if uid else {})
    return expected


def facts(status: str) -> dict[str, str]:
    """Return what /proc/PID/status says of what a process may do."""
    pairs = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {name: pairs[name] for name in FACTS if name in pairs}


@pytest.mark.parametrize("part", range(PARTS))
def test_a_start_with_anything_ends_in_its_command_or_in_errors(launcher: Path, part: int) -> None:
    del part
    directly = subprocess.run(SAYS, check=True, capture_output=True, text=True).stdout

    @hypothesis.settings(
        max_examples=max(1, STARTS // PARTS),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        hooks=HOOKS, top=TOP, lines=LINES, env_dir=ENV_DIR, given=st.dictionaries(NAMES, TEXT)
    )
    def ends(
        hooks: dict[str, tuple[str, bool]],
        top: list[str],
        lines: list[str],
        env_dir: dict[str, str],
        given: dict[str, str],
    ) -> None:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            for folder, files in (("hooks", hooks), ("env", env_dir)):
                (place / folder).mkdir()
                for file, content in files.items():
                    text, is_executable = (
                        content if isinstance(content, tuple) else (content, False)
                    )
                    (place / folder / file).write_text(text, encoding="utf-8")
                    (place / folder / file).chmod(0o755 if is_executable else 0o644)
            configuration = place / "entrykit.toml"
            written = "\n".join([f"env-dirs = ['{place}/env']", *top, *lines, ""])
            configuration.write_text(written, encoding="utf-8")
            environment = {key: value for key, value in given.items() if "=" not in key}
            environment |= {"PATH": SEARCH_PATH, "ENTRYKIT_CONFIG": str(configuration)}
            environment["ENTRYKIT_HOOKS"] = str(place / "hooks")
            ended = subprocess.run(
                [str(launcher), *SAYS],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                cwd="/",
                timeout=60,
            )
        log = ended.stderr.decode("utf-8", "backslashreplace")
        assert ended.returncode != 70, log
        # Of a traceback.
        assert PACKAGE not in log or "raise OSError" in str(hooks), log
        for line in log.split("\n"):
            assert not line.startswith("entrykit: ") or line.isprintable(), log
        said = facts(ended.stdout.decode())
        if said:
            assert said == expected_facts(directly, written), log
        else:
            assert ended.returncode, log
            assert "entrykit: " in log

    ends()
