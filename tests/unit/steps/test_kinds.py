"""What a file of a hook directory runs as: every question of the design, with real files."""

import os
import shutil
from pathlib import Path

import pytest

from entrykit.steps import kinds
from entrykit.steps.kinds import FAULT, PROGRAM, PYTHON, SKIPPED, SOURCED

SEARCH_PATH = os.fsencode(os.environ["PATH"])
SH = b"#!/bin/sh\n:\n"
OWN_ELF = Path("/proc/self/exe").read_bytes()[:64]
SELF = b"<itself>"
NO_X = "it is not executable"
NOTHING_SAYS = "nothing says how to run it"
CRLF = "its lines end with a carriage return (CRLF)"
BOM = "it begins with a byte order mark (BOM)"
FOREIGN = "it is a program of another operating system"


def classify(
    folder: Path,
    name: str,
    mode: int,
    content: bytes,
    *,
    runners: dict[str, list[str]] | None = None,
    modes_say_nothing: bool = False,
) -> "kinds.Kind":
    """Classify a real file; its own path stands in the answer as `<itself>`."""
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    raw = os.fsencode(path)
    kind, words, reason, hint = kinds.classify(
        raw,
        path.stat().st_mode,
        content[: kinds.HEAD_BYTES],
        runners or {},
        modes_say_nothing=modes_say_nothing,
        search_path=SEARCH_PATH,
    )
    return kind, [SELF if word == raw else word for word in words], reason, hint


def in_path(program: str) -> bytes:
    found = shutil.which(program)
    assert found
    return os.fsencode(found)


def elf(machine: int, *, little: bool = True) -> bytes:
    head = bytearray(OWN_ELF)
    head[5] = 1 if little else 2
    head[18:20] = machine.to_bytes(2, "little" if little else "big")
    return bytes(head)


@pytest.mark.parametrize(
    ("name", "mode", "content", "kind", "words"),
    [
        # 2. Sourced, whatever the mode, by the shell of its first line or /bin/sh.
        ("10.envsh", 0o644, b"export A=1\n", SOURCED, [b"/bin/sh"]),
        ("10.envsh", 0o755, b"export A=1\n", SOURCED, [b"/bin/sh"]),
        ("10.envsh", 0o644, b"#!/bin/sh -u\n", SOURCED, [b"/bin/sh", b"-u"]),
        ("10.envsh", 0o755, b"#! \t/bin/sh \n", SOURCED, [b"/bin/sh"]),
        # 3. By entrykit's own Python, whatever the mode.
        ("10.py", 0o644, b"print()\n", PYTHON, []),
        ("10.py", 0o777, b"print()\r\n", PYTHON, []),
        # 4. Executed.
        ("10.sh", 0o755, SH, PROGRAM, [SELF]),
        ("10-tool", 0o755, SH, PROGRAM, [SELF]),
        ("10.rb", 0o755, b"#!/bin/sh\n", PROGRAM, [SELF]),
        ("10.py", 0o755, b"#!/usr/bin/env sh\n", PROGRAM, [SELF]),
        ("10.sh", 0o755, b"#!/bin/sh", PROGRAM, [SELF]),
        ("10-binary", 0o755, OWN_ELF, PROGRAM, [SELF]),
        ("10.bin", 0o755, OWN_ELF, PROGRAM, [SELF]),
        ("10.sh", 0o755, b"#!/usr/bin/env -S sh -u\n", PROGRAM, [SELF]),
        ("10.sh", 0o755, b"#!/usr/bin/env A=1 sh\n", PROGRAM, [SELF]),
        # 5. By /bin/sh, as shells do.
        ("10.sh", 0o755, b"echo hello\n", PROGRAM, [b"/bin/sh", SELF]),
        ("10-plain", 0o755, b"echo hello\n", PROGRAM, [b"/bin/sh", SELF]),
        ("10 with blanks\n", 0o755, b"echo hello\n", PROGRAM, [b"/bin/sh", SELF]),
    ],
)
def test_a_hook_runs_as_its_name_its_mode_and_its_first_line_say(
    tmp_path: Path, name: str, mode: int, content: bytes, kind: str, words: list[bytes]
) -> None:
    assert classify(tmp_path, name, mode, content) == (kind, words, "", "")


@pytest.mark.parametrize(
    ("name", "mode", "content", "reason"),
    [
        ("10.sh", 0o644, b"echo hello\n", NO_X),
        ("10.sh", 0o644, SH, NO_X),
        ("10-tool", 0o644, SH, NO_X),
        ("10.py", 0o644, b"#!/usr/bin/python3\n", NO_X),
        # A mount from Windows or macOS, where all has x.
        ("users.csv", 0o777, b"a,b\n", NOTHING_SAYS),
        ("users.csv", 0o777, b"a,b\r\n", NOTHING_SAYS),
        ("10.sql", 0o777, b"SELECT 1;\n", NOTHING_SAYS),
        ("10.sql", 0o644, b"SELECT 1;\n", NOTHING_SAYS),
        ("10-plain", 0o644, b"echo hello\n", NOTHING_SAYS),
        ("10-binary", 0o644, OWN_ELF, NOTHING_SAYS),
        ("10-data", 0o777, b"\x1f\x8b\0\0", "it is neither a script nor a program"),
    ],
)
def test_a_file_that_is_no_hook_is_skipped_with_the_reason(
    tmp_path: Path, name: str, mode: int, content: bytes, reason: str
) -> None:
    kind, words, said, mend = classify(tmp_path, name, mode, content)
    assert (kind, words, said) == (SKIPPED, [], reason)
    assert mend


def test_the_mend_of_a_script_without_x_names_chmod_and_runners(tmp_path: Path) -> None:
    mend = classify(tmp_path, "10.sh", 0o644, SH)[3]
    assert "chmod" in mend
    assert "a runner for .sh in [runners]" in mend


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("10.sh", b"echo hello\n", [b"/bin/sh", SELF]),
        ("10.sh", SH, [b"/bin/sh", SELF]),
        ("10-tool", b"#! /bin/sh -e -u\n", [b"/bin/sh", b"-e -u", SELF]),
        ("10.py", b"#!/usr/bin/env sh\n", [b"/usr/bin/env", b"sh", SELF]),
    ],
)
def test_a_script_without_x_runs_in_a_configmap(
    tmp_path: Path, name: str, content: bytes, words: list[bytes]
) -> None:
    answer = classify(tmp_path, name, 0o644, content, modes_say_nothing=True)
    assert answer == (PROGRAM, words, "", "")


def test_data_is_skipped_in_a_configmap_too(tmp_path: Path) -> None:
    answer = classify(tmp_path, "users.csv", 0o644, b"a,b\n", modes_say_nothing=True)
    assert answer[0] == SKIPPED


@pytest.mark.parametrize(
    ("name", "mode", "content", "reason"),
    [
        ("10.sh", 0o755, b"#!/bin/sh\r\n:\r\n", CRLF),
        ("10.sh", 0o755, b"echo hello\r\n", CRLF),
        ("10.envsh", 0o644, b"export A=1\r\n", CRLF),
        ("10.envsh", 0o644, b"#!/bin/sh\r\n", CRLF),
        ("10-tool", 0o755, b"#!/usr/bin/env sh\r\n", CRLF),
        ("10.sh", 0o755, b"\xef\xbb\xbf#!/bin/sh\n", BOM),
        ("10.sh", 0o755, b"\xef\xbb\xbfecho hello\n", BOM),
        ("10.envsh", 0o644, b"\xef\xbb\xbfexport A=1\n", BOM),
        ("10.sh", 0o755, "#!/bin/sh\n".encode("utf-16"), BOM),
        ("10-tool", 0o755, b"\xfe\xff" + "echo\n".encode("utf-16-be"), BOM),
        ("10.envsh", 0o644, "export A=1\r\n".encode("utf-16"), BOM),
        ("10.sh", 0o755, b"#!\n", "its first line names no interpreter"),
        (
            "10.sh",
            0o755,
            b"#!/no/such/shell -e\n",
            "its interpreter /no/such/shell is missing or not executable",
        ),
        (
            "10.envsh",
            0o644,
            b"#!/no/such/shell\n",
            "its interpreter /no/such/shell is missing or not executable",
        ),
        (
            "10.sh",
            0o755,
            b"#!/bin/s\0h\n",
            "its interpreter /bin/s\\x00h is missing or not executable",
        ),
        ("10.sh", 0o755, b"#!/usr/bin/env s\0h\n", "its interpreter s\\x00h is not in PATH"),
        ("10.py", 0o755, b"#!/usr/bin/env no-such\n", "its interpreter no-such is not in PATH"),
        # `env` is given the rest of the line as one word.
        ("10.sh", 0o755, b"#!/usr/bin/env sh -u\n", "its interpreter sh -u is not in PATH"),
        ("10-tool", 0o755, b"MZ\x90\0", FOREIGN),
        ("10-tool", 0o755, b"\xcf\xfa\xed\xfe\x0c\0\0\x01", FOREIGN),
        ("10-tool", 0o755, b"\xca\xfe\xba\xbe\0\0\0\x02", FOREIGN),
        ("10-tool", 0o755, elf(22, little=False), "it is a program for another architecture"),
        ("10-tool", 0o755, elf(243), "it is a program for another architecture"),
    ],
)
def test_a_fault_is_found_with_its_mend(
    tmp_path: Path, name: str, mode: int, content: bytes, reason: str
) -> None:
    kind, words, said, mend = classify(tmp_path, name, mode, content)
    assert (kind, words, said) == (FAULT, [], reason)
    assert mend


@pytest.mark.parametrize(
    "content", [b"#!/bin/sh\r\n", b"\xef\xbb\xbfecho\n", b"#!/no/such/shell\n", b"#!\n"]
)
def test_a_fault_is_found_in_a_configmap_too(tmp_path: Path, content: bytes) -> None:
    assert classify(tmp_path, "10.sh", 0o644, content, modes_say_nothing=True)[0] == FAULT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may execute what anybody may")
def test_an_x_bit_that_is_not_for_this_user_is_a_fault(tmp_path: Path) -> None:
    kind, _, reason, mend = classify(tmp_path, "10.sh", 0o645, SH)
    assert (kind, reason) == (FAULT, "it has an x bit but may not be executed")
    assert f"uid {os.geteuid()}" in mend


def test_a_runner_decides_before_all_else(tmp_path: Path) -> None:
    runners = {".sh": ["/bin/sh", "-u"], ".sql": ["sh", "-e"], ".py": ["sh"], ".envsh": ["sh"]}
    for name, content in (
        ("10.sh", b"\xef\xbb\xbf#!/bin/sh\r\n"),
        ("10.sql", b"SELECT 1;\n"),
        ("10.py", b"print()\n"),
        ("10.envsh", b"export A=1\n"),
    ):
        for mode in (0o644, 0o755):
            answer = classify(tmp_path, name, mode, content, runners=runners)
            first, *words = runners[name[2:]]
            runner = [in_path(first), *(word.encode() for word in words)]
            assert answer == (PROGRAM, [*runner, SELF], "", "")


def test_the_longest_suffix_with_a_runner_decides(tmp_path: Path) -> None:
    runners = {".gz": ["sh", "-a"], ".sql.gz": ["sh", "-b"], ".sql": ["sh", "-c"]}
    words = classify(tmp_path, "10.sql.gz", 0o644, b"\x1f\x8b", runners=runners)[1]
    assert words == [in_path("sh"), b"-b", SELF]


def test_a_missing_runner_is_a_fault(tmp_path: Path) -> None:
    runners = {".sql": ["no-such-psql"]}
    kind, _, reason, mend = classify(tmp_path, "10.sql", 0o644, b"", runners=runners)
    assert (kind, reason) == (FAULT, "its runner no-such-psql is missing or not executable")
    assert "[runners]" in mend


@pytest.mark.parametrize(
    ("word", "search_path", "found"),
    [
        (b"tool", b"{0}/empty:{0}/bin", b"{0}/bin/tool"),
        (b"tool", b"{0}/data:{0}/bin", b"{0}/bin/tool"),
        (b"tool", b"{0}/none", b""),
        (b"{0}/bin/tool", b"", b"{0}/bin/tool"),
        (b"bin", b"{0}", b""),
    ],
)
def test_a_program_is_found_where_path_has_an_executable_file(
    tmp_path: Path, word: bytes, search_path: bytes, found: bytes
) -> None:
    for folder, mode in (("bin", 0o755), ("data", 0o644), ("empty", 0)):
        (tmp_path / folder).mkdir()
        if mode:
            (tmp_path / folder / "tool").touch(mode)
    word, search_path, found = (
        text.replace(b"{0}", os.fsencode(tmp_path)) for text in (word, search_path, found)
    )
    assert kinds.find_program(word, search_path) == found
