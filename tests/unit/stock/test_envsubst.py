"""What `*.template` files become, against gettext's own envsubst."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrykit.stock import envsubst

NAMES = (b"A", b"B", b"AB", b"A1", b"_", b"_a", b"a", b"LONG_NAME_2")
# Whole references and pieces of them, so that random text holds both.
PIECES = st.sampled_from(
    [
        b"$", b"{", b"}", b"${", b"$$", b"\\", b"A", b"B", b"1", b"_", b"a", b"-", b":", b" ",
        b"\n", b"\r\n", b"\0", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"$host", b"${A:-x}",
        *(b"$" + name for name in NAMES), *(b"${" + name + b"}" for name in NAMES),
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map(b"".join)
# No NUL: no environment can hold one.
VALUES = st.lists(PIECES.filter(lambda piece: b"\0" not in piece), max_size=5).map(b"".join)


def substituted(content: bytes, variables: dict[bytes, bytes]) -> bytes:
    return envsubst.substitute(content, variables, lambda *_: None)


@pytest.mark.envsubst
@settings(max_examples=400)
@given(
    content=TEXTS,
    variables=st.dictionaries(st.sampled_from(NAMES), VALUES),
    listed=st.sets(st.sampled_from(NAMES)),
)
def test_a_text_becomes_what_envsubst_makes_of_it(
    content: bytes, variables: dict[bytes, bytes], listed: set[bytes]
) -> None:
    """With a list of the defined names, as nginx's hook gives it one."""
    selected = {name: value for name, value in variables.items() if name in listed}
    names = b" ".join(b"${%s}" % name for name in selected)
    done = subprocess.run(
        ["envsubst", names], input=content, env=variables, capture_output=True, check=True
    )
    assert substituted(content, selected) == done.stdout


@pytest.mark.envsubst
@settings(max_examples=200)
@given(content=st.binary(max_size=200), value=st.binary(max_size=20))
def test_any_bytes_become_what_envsubst_makes_of_them(content: bytes, value: bytes) -> None:
    variables = {b"A": value.replace(b"\0", b"")}
    done = subprocess.run(
        ["envsubst", "$A"], input=content, env=variables, capture_output=True, check=True
    )
    assert substituted(content, variables) == done.stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"$A ${A}", b"1 1"),
        (b"$AB ${AB}", b"$AB ${AB}"),
        (b"$A-$A1", b"1-$A1"),
        (b"${A:-x} ${A ${} $9 $", b"${A:-x} ${A ${} $9 $"),
        (b"$$A \\$A ${${A}", b"$1 \\1 ${1"),
        (b"$EMPTY.${EMPTY}", b"."),
        (b"$SELF", b"$A"),
        (b"proxy_set_header Host $host;", b"proxy_set_header Host $host;"),
        (b"\xff$A\0\r\n", b"\xff1\0\r\n"),
    ],
)
def test_references_to_what_is_defined_are_replaced_once(content: bytes, expected: bytes) -> None:
    variables = {b"A": b"1", b"EMPTY": b"", b"SELF": b"$A"}
    assert substituted(content, variables) == expected


@pytest.mark.parametrize(
    ("names", "selected"),
    [("", {b"NGINX_A", b"B", b"\xff"}), ("^NGINX_", {b"NGINX_A"}), ("A|B$", {b"NGINX_A", b"B"})],
)
def test_names_select_variables_by_what_is_found_in_them(names: str, selected: set[bytes]) -> None:
    variables = {b"NGINX_A": b"", b"B": b"", b"\xff": b""}
    assert envsubst.select(variables, names).keys() == selected
