"""Which variables a shell script takes from its environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.lint import shell


def reads(script: str) -> list[tuple[str, int]]:
    return shell.uses(script.encode()).reads


@pytest.mark.parametrize(
    "script",
    [
        "echo $A",
        "echo ${A}",
        'echo "$A"',
        'echo "${A:-x}"',
        "echo ${#A}",
        "echo ${A%/*}",
        "B=1\necho ${B:-$A}",
        "echo `echo $A`",
        "echo $(echo $A)",
        'echo "$(echo "$A")"',
        "echo $((A + $A))",
        "echo '$B'$A",
        "echo \"'$A'\"",
        "echo \"${A:-it's}\"",
        "echo \\$B $A",
        "echo \\' $A \\'",
        "echo a#$A",
        "case $A in b) ;; esac",
        "echo $(case x in x) echo $A;; esac)",
        "cat <<E\n$A\nE",
        "cat <<-E\n\t$A\n\tE\n",
        "cat <<E <<'F'\n$A\nE\n$B\nF\n",
        'cat <<E\n"$A"\nE',
        "(echo $A)",
        ": ${A:?}",
        ': "${A:=x}"; echo $A',
        'A="${A:-x}"',
        "x=$A",
        "for i in $A; do echo $i; done",
        "echo $'a\\'$B' $A",
        "echo <<<$A",
        'if [ -n "$A" ]; then :; fi',
        "echo $1 $@ $# $? $$ $! $- ${10} $A",
        "export A; echo $A",
        "A=$A b",
        'export A="$(echo "$A" | tr -d x)"',
        "A=${A%/}\necho $A",
        "printenv A | wc",
        "B=$(printenv A) make",
        "[[ -v A ]]",
        "if [ ! -v A ] && command -v b; then :; fi",
        "echo $((A * 2))",
        "B=1; echo $((A > B ? 0x1F : B))",
        "((B = $A << 2))\necho $A",
        "read B <<E; echo b\nE\nprintf x\nc $A",
    ],
)  # fmt: skip
def test_what_a_script_reads_is_found(script: str) -> None:
    assert [name for name, _ in reads(script)] == ["A"]


@pytest.mark.parametrize(
    "script",
    [
        "# $A",
        "echo x # $A",
        "echo '$A'",
        "echo \\$A",
        'echo "\\$A"',
        "cat <<'E'\n$A\nE",
        "cat <<\\E\n$A\nE",
        'cat <<"E"\n$A\nE',
        "A=1; echo $A",
        "A=1\necho ${A:-2}",
        "A+=1; echo $A",
        "A[0]=1; echo ${A[0]}",
        "f() { echo $A; }\nA=1\nf",
        "read A; echo $A",
        "read -r B A </dev/null; echo $A $B",
        "for A in 1 2; do echo $A; done",
        "local A=1; echo $A",
        "getopts ab A; echo $A",
        "export A=1; echo $A",
        "unset A; echo $A",
        ". /etc/rc; echo $A",
        "source ./x\necho $A",
        "echo $IFS $OPTARG $RANDOM $BASH_SOURCE",
        "echo $1 ${2} $@ $* $#",
        'add() { A="$A $1"; }\nA=\nadd x',
        "A=1 B=$A",
        "A=0\nA=$((A + 1))\necho $A",
        "for ((A = 0; A < ${#B[@]}; A++)); do B=$A; done",
        "((A += 1)); echo $A",
        "((++A)); echo $A",
        "echo $((A = 1)) $A",
        "exec {A}>/dev/null; echo >&$A",
        "coproc A { cat; }; echo ${A[0]}",
        "echo ${BASH_REMATCH[1]}",
        "echo $(($(nproc) * 2))",
        "x=$((cd a; ls) | wc)",
        "((cd a); (ls))",
        "command -v A",
        'eval "A=\\$1"; echo $A',
        "printenv >A; printenv | A",
        "A=$(printenv); A",
    ],
)
def test_what_a_script_sets_quotes_or_knows_is_not_read(script: str) -> None:
    assert reads(script) == []


def test_an_operator_asks_even_where_other_files_are_sourced() -> None:
    assert reads(". /etc/rc\necho $A ${B:-}") == [("B", 2)]


def test_the_line_is_that_of_the_first_place() -> None:
    assert reads("\n\ncat <<E\n\n$A\nE\necho $B $A\n") == [("A", 5), ("B", 7)]


def test_what_is_set_for_the_command_is_given() -> None:
    script = b'echo 1 >"$ENTRYKIT_ENV/A"\necho 1 >"$ENTRYKIT_ENV"/B\necho 1 >${ENTRYKIT_ENV}/C\n'
    assert shell.uses(script).gives == {"A", "B", "C"}


def test_what_a_sourced_script_assigns_is_known() -> None:
    assert shell.assigned(b"A=1\nexport B=2\nread C\necho $D\n") == {"A", "B", "C"}


_PIECES = [
    "$", "{", "}", "(", ")", "((", "))", "'", '"', "`", "\\", "\n", "<<", "<<-", "E", "A", "=", "#",
    " ", ";", "case", "esac", "in", "for", "read", "$'", "${", "$(", "$((", "\xff", "\0", "<<<",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES)).map("".join))
def test_any_text_can_be_looked_into(script: str) -> None:
    found = shell.uses(script.encode("latin-1"))
    last = script.count("\n") + 1
    assert all(1 <= line <= last for _, line in found.reads)


@given(st.binary())
def test_any_bytes_can_be_looked_into(content: bytes) -> None:
    shell.uses(content)
    shell.assigned(content)


def test_a_text_that_is_nested_without_end_is_looked_into() -> None:
    assert len(reads("$(" * 100_000)) == 0
    assert len(reads('"${A:-' * 10_000)) == 1
