"""What a hook may ask for, in any language, and that it is made whole or not at all."""

import json
import os
import sys

import pytest

from .starts import Entrypoint

# Prints its arguments, and the variables that were not there at first.
SHOW = (
    "import json, os, sys; print(json.dumps([sys.argv[1:],"
    " {n: v for n, v in os.environ.items() if n not in ('PATH', 'HOME', 'LC_CTYPE')}]))"
)
PROGRAM = [sys.executable, "-ISc", SHOW]


@pytest.fixture
def image(entrypoint: Entrypoint) -> Entrypoint:
    """Start a program that shows what it was given; it is the configured one."""
    entrypoint.configure(f"program = {json.dumps(PROGRAM)}")
    return entrypoint


def shown(entrypoint: Entrypoint, *command: str) -> tuple[list[str], dict[str, str]]:
    """Run a command that shows what it was given; return its arguments and variables."""
    ended = entrypoint.run(*command)
    assert ended.status == 0, ended.lines
    arguments, variables = json.loads(ended.stdout)
    return arguments, variables


def assert_fails(entrypoint: Entrypoint, *words: str, command: tuple[str, ...] = ("-x",)) -> str:
    """Run a command that must not start, status 78; return the last line, which has the words."""
    ended = entrypoint.run(*command)
    assert (ended.status, ended.stdout) == (78, b"")
    for word in words:
        assert word in ended.last_line
    return ended.last_line


def test_a_shell_hook_sets_and_unsets(image: Entrypoint) -> None:
    image.hooks.shell(
        "10-a.sh",
        'echo 4 >"$ENTRYKIT_ENV/THREADS"', ': >"$ENTRYKIT_ENV/EMPTY"',
        'printf "a\\n\\n" >"$ENTRYKIT_ENV/NEWLINE"', 'printf "b" >"$ENTRYKIT_ENV/BARE"',
        ': >"$ENTRYKIT_UNSET/DEBUG"', 'echo not read >"$ENTRYKIT_UNSET/NEVER_SET"',
    )  # fmt: skip
    image.with_environment(DEBUG="1", THREADS="1")
    assert shown(image) == ([], {"THREADS": "4", "EMPTY": "", "NEWLINE": "a\n", "BARE": "b"})


def test_a_value_of_any_bytes_is_set(entrypoint: Entrypoint) -> None:
    value = bytes(range(1, 256)) * 500
    source = entrypoint.scratch / "value"
    source.write_bytes(value)
    entrypoint.hooks.shell("10-a.sh", f"cat '{source}' >\"$ENTRYKIT_ENV/VALUE\"")
    code = "import os, sys; sys.stdout.buffer.write(os.environb[b'VALUE'])"
    assert entrypoint.run(sys.executable, "-ISc", code).stdout == value


def test_a_hook_without_a_shell_asks_too(image: Entrypoint) -> None:
    image.configure(f"program = {json.dumps(PROGRAM)}", "[runners]", '".copy" = ["/bin/cp", "-t"]')
    code = (
        "import os\nopen(os.environ['ENTRYKIT_ENV'] + '/X', 'w').write('x')\n"
        "open(os.environ['ENTRYKIT_ARGS'] + '/1', 'w').write('--x')\n"
    )
    image.hooks.add("10-a", f"#!{sys.executable} -IS\n{code}")
    assert shown(image) == (["--x"], {"X": "x"})


@pytest.mark.parametrize(
    "reach", ["import os", "os = __import__('os')", "exec('im' + 'port os')", "os = eval(NAMED)"]
)
def test_a_python_hook_asks_through_the_directories_too(image: Entrypoint, reach: str) -> None:
    image.configure(f"program = {json.dumps(PROGRAM)}")
    image.hooks.add("10-plain.py", "def hook(start):\n    start.args += ['plain']\n")
    image.hooks.add(
        "20-reaches.py",
        f"NAMED = '__im' 'port__(\\'os\\')'\n{reach}\n"
        "with open(os.environ['ENTRYKIT_ENV'] + '/X', 'w') as file:\n    file.write('x')\n",
    )
    image.hooks.add("30-plain.py", "def hook(start):\n    start.args += [start.env['X']]\n")
    assert shown(image) == (["plain", "x"], {"X": "x"})


def test_options_come_in_hook_order_and_before_the_users_own(image: Entrypoint) -> None:
    image.hooks.shell(
        "20-b.sh", 'echo b10 >"$ENTRYKIT_OPTIONS/10"', 'echo b9 >"$ENTRYKIT_OPTIONS/9"',
        'echo "two words" >"$ENTRYKIT_OPTIONS/11"',
    )  # fmt: skip
    image.hooks.shell("3-a.sh", 'echo a >"$ENTRYKIT_OPTIONS/99"')
    image.hooks.add(
        "30-c.py",
        "def hook(start):\n    start.options += ['c', '']\n    start.args.append('end')\n",
    )
    image.hooks.shell("40-d.sh", 'echo last >"$ENTRYKIT_ARGS/x"')
    arguments, _ = shown(image, "-user", "--", "x")
    assert arguments == [
        "a", "b9", "b10", "two words", "c", "", "-user", "--", "x", "end", "last",
    ]  # fmt: skip


def test_a_hook_replaces_the_command_and_adds_to_the_new_one(image: Entrypoint) -> None:
    words = ["echo", "one  two", ""]
    lines = [f"printf '%s' '{word}' >\"$ENTRYKIT_COMMAND/{n}\"" for n, word in enumerate(words)]
    image.hooks.shell("10-a.sh", *lines, 'echo end >"$ENTRYKIT_ARGS/0"')
    ended = image.run("-x")
    assert (ended.status, ended.stdout) == (0, b"one  two  end\n")


def test_the_program_named_anew_takes_options(image: Entrypoint) -> None:
    lines = [f"cat >\"$ENTRYKIT_COMMAND/{n}\" <<'E'\n{w}\nE" for n, w in enumerate([*PROGRAM, "y"])]
    image.hooks.shell("10-a.sh", 'echo gone >"$ENTRYKIT_OPTIONS/0"')
    image.hooks.shell("20-b.sh", *lines, 'echo opt >"$ENTRYKIT_OPTIONS/0"')
    assert shown(image, "-x")[0] == ["opt", "y"]


def test_a_python_hook_asks_by_its_start(image: Entrypoint) -> None:
    image.hooks.add(
        "10-a.py",
        "import os\n"
        "def hook(start):\n"
        "    assert start.env['GIVEN'] == '1' and start.command[-1] == '-x', start.command\n"
        "    assert start.config == {}\n"
        "    start.env['NEW'] = 'caf\\udce9 \\n'\n"
        "    assert 'NEW' not in os.environ\n"
        "    del start.env['GIVEN']\n"
        "    start.env.pop('NEVER', None)\n"
        "    start.env.setdefault('OTHER', 'o')\n"
        "    start.options.append('-o')\n"
        "    start.log.warning('careful', hint='or not')\n"
        "    return 'did it,\\n all'\n",
    )
    image.with_environment(GIVEN="1")
    ended = image.run("-x")
    arguments, variables = json.loads(ended.stdout)
    assert arguments == ["-o", "-x"]
    assert variables == {"NEW": "caf\udce9 \n", "OTHER": "o"}
    assert ended.lines[0] == "entrykit: 10-a.py: careful (or not)"
    assert ended.last_line.startswith("entrykit: 10-a.py: did it, all (")


def test_a_python_hook_replaces_the_command(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add(
        "10-a.py", "def hook(start):\n    start.command = ['echo', *start.command]\n"
    )
    assert entrypoint.run("true", "x").stdout == b"true x\n"


def test_what_a_python_hook_puts_into_its_own_environment_stays_there(image: Entrypoint) -> None:
    image.hooks.add("10-a.py", "import os\nos.environ['MINE'] = '1'\nos.environ.pop('GIVEN')\n")
    image.with_environment(GIVEN="1")
    assert shown(image)[1] == {"GIVEN": "1"}


def test_a_sourced_hook_asks_both_ways(image: Entrypoint) -> None:
    image.hooks.add(
        "10-a.envsh",
        'export A=a\necho b >"$ENTRYKIT_ENV/B"\nunset GIVEN\necho -o >"$ENTRYKIT_OPTIONS/0"\n'
        'export QUOTED="it\'s \\"q\\"\n\\$x"\nexport ENTRYKIT_SKIP=x\n',
    )
    image.with_environment(GIVEN="1")
    variables = {"A": "a", "B": "b", "QUOTED": 'it\'s "q"\n$x'}
    assert shown(image) == (["-o"], variables)


@pytest.mark.parametrize(
    "shell",
    [
        shell
        for shell in ("/bin/sh", "/bin/bash", "/bin/busybox sh")
        if os.path.exists(shell.split()[0])
    ],
)
def test_a_sourced_hook_says_its_exports_in_any_shell(image: Entrypoint, shell: str) -> None:
    image.hooks.add(
        "10-a.envsh",
        f"#!{shell}\nexport A=\"$(printf '\\377\\001\\ttab')\"\n"
        "export B='\nx=\\'\nunset GIVEN\nexit\n",
    )
    image.with_environment(GIVEN="1", HASH="#\n#")
    assert shown(image)[1] == {"A": "\udcff\x01\ttab", "B": "\nx=\\", "HASH": "#\n#"}


def test_files_that_are_copied_with_their_times_are_read(image: Entrypoint) -> None:
    """The copy sets the time of the directory back to what it was."""
    image.hooks.shell(
        "10-copies.sh",
        f"cd '{image.scratch}'", "mkdir source",
        "now() { touch clock; stat -c %z clock; }",
        'made=$(stat -c %z "$ENTRYKIT_ENV")', 'until [ "$(now)" != "$made" ]; do :; done',
        "echo copied >source/A", "touch -d @1 source/A", 'touch -r "$ENTRYKIT_ENV" source',
        'cp -a source/. "$ENTRYKIT_ENV/"',
    )  # fmt: skip
    assert shown(image)[1] == {"A": "copied"}


@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="there is no bash")
def test_an_exported_array_does_not_reach_the_command(image: Entrypoint) -> None:
    image.hooks.add(
        "10-a.envsh",
        "#!/bin/bash\nLIST=(a b)\nGIVEN=(c d)\ndeclare -Ax MAP=([k]=v)\nexport LIST PLAIN=p\n",
    )
    image.with_environment(GIVEN="1")
    assert shown(image)[1] == {"PLAIN": "p"}


def test_options_for_a_foreign_command_are_78(entrypoint: Entrypoint) -> None:
    entrypoint.configure(f"program = {json.dumps(PROGRAM)}", 'commands = ["echo"]')
    entrypoint.hooks.shell("10-a.sh", 'echo -o >"$ENTRYKIT_OPTIONS/o"')
    assert_fails(entrypoint, "10-a.sh: asks for options", "echo", PROGRAM[0], command=("echo", "x"))


def test_options_without_a_program_are_78(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.add("10-a.py", "def hook(start):\n    start.options.append('-o')\n")
    line = "10-a.py: asks for options for echo, but no program is configured"
    assert_fails(entrypoint, line, command=("echo", "x"))


def test_arguments_reach_any_command(entrypoint: Entrypoint) -> None:
    entrypoint.hooks.shell("10-a.sh", 'echo end >"$ENTRYKIT_ARGS/x"')
    assert entrypoint.run("echo", "x").stdout == b"x end\n"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (('echo v >"$ENTRYKIT_ENV/A"; : >"$ENTRYKIT_UNSET/A"',), ("set and to unset A",)),
        (('echo v >"$ENTRYKIT_ENV/1A"',), ("impossible name", "1A")),
        (('echo v >"$ENTRYKIT_UNSET/A.B"',), ("impossible name", "A.B")),
        (('echo v >"$ENTRYKIT_ENV/ENTRYKIT_X"',), ("ENTRYKIT_X",)),
        (('printf "v\\000" >"$ENTRYKIT_ENV/A"',), ("A holds a NUL",)),
        (('printf "v\\000" >"$ENTRYKIT_OPTIONS/A"',), ("an option holds a NUL",)),
        (('mkdir "$ENTRYKIT_ENV/A"',), ("ENTRYKIT_ENV", "directory")),
        (('ln -s /etc/passwd "$ENTRYKIT_ENV/A"',), ("ENTRYKIT_ENV",)),
        (('mkfifo "$ENTRYKIT_ARGS/A"',), ("ENTRYKIT_ARGS", "FIFO")),
        (('head -c 131071 /dev/zero | tr "\\0" v >"$ENTRYKIT_ENV/A"',), ("A has more bytes",)),
        ((': >"$ENTRYKIT_COMMAND/0"',), ("command without a program",)),
    ],
    ids=lambda value: value[0][:40] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_made_fails_the_hook_and_is_not_shown(
    image: Entrypoint, lines: tuple[str, ...], words: tuple[str, ...]
) -> None:
    image.hooks.shell("10-asks.sh", *lines)
    last_line = assert_fails(image, "10-asks.sh: ", *words)
    assert "root:" not in last_line


def test_the_largest_value_is_made(image: Entrypoint) -> None:
    image.hooks.shell("10-a.sh", 'head -c 131069 /dev/zero | tr "\\0" v >"$ENTRYKIT_ENV/A"')
    assert shown(image)[1] == {"A": "v" * 131069}


def test_where_one_change_cannot_be_made_none_is(image: Entrypoint) -> None:
    image.hooks.shell(
        "10-a.sh", "# entrykit: on-error=continue", 'echo v >"$ENTRYKIT_ENV/A"',
        'echo v >"$ENTRYKIT_ENV/B.C"', 'echo -o >"$ENTRYKIT_OPTIONS/o"',
    )  # fmt: skip
    image.hooks.shell("20-b.sh", 'echo v >"$ENTRYKIT_ENV/D"')
    assert shown(image) == ([], {"D": "v"})


def test_changes_are_read_once(image: Entrypoint) -> None:
    image.hooks.shell("10-a.sh", 'echo -o >"$ENTRYKIT_OPTIONS/o"')
    image.hooks.shell("20-b.sh", ":")
    image.hooks.shell("30-c.sh", 'ls "$ENTRYKIT_OPTIONS"')
    assert shown(image)[0] == ["-o"]


def test_nobody_else_can_read_what_is_asked_for(image: Entrypoint) -> None:
    kinds = " ".join(f'"$ENTRYKIT_{k}"' for k in ("ENV", "UNSET", "OPTIONS", "ARGS", "COMMAND"))
    image.hooks.shell("10-a.sh", f"stat -c %a {kinds}")
    assert image.run().lines[:5] == ["700"] * 5
