"""The order of hooks, judged by the real `sort -V` in the C locale."""

import subprocess
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrykit.steps import order

# What the order makes a difference of, and now and then any byte that a file name can hold.
TELLING = st.sampled_from(list(b"0019aAzZ~.-_+ \n\x01\xff^{"))
ANY = st.sampled_from(sorted(set(range(1, 256)) - {ord("/")}))
NAMES = st.lists(TELLING | TELLING | ANY, min_size=1, max_size=12).map(bytes)


def version_sort(names: list[bytes]) -> list[bytes]:
    done = subprocess.run(
        ["sort", "-zV"],
        input=b"".join(name + b"\0" for name in names),
        env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    return done.stdout.split(b"\0")[:-1]


@cache
def has_judge() -> bool:
    """Tell whether `sort` is that of GNU coreutils from 9.1 on, which mended its own order."""
    done = subprocess.run(["sort", "--version"], capture_output=True, text=True, check=False)
    first = done.stdout.partition("\n")[0]
    if "GNU coreutils" not in first:
        return False
    major, minor = first.split()[-1].split(".")[:2]
    return (int(major), int(minor)) >= (9, 1)


@settings(max_examples=150)
@given(st.lists(NAMES.filter(lambda name: name[:1] != b"."), min_size=2, max_size=30, unique=True))
def test_random_names_have_the_order_that_sort_gives_them(names: list[bytes]) -> None:
    if not has_judge():
        pytest.skip("no GNU sort from 9.1 on")
    assert sorted(names, key=order.key) == version_sort(names)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([b"2-b", b"10-a"], id="numbers compare as numbers"),
        pytest.param([b"10-a.sh", b"10-b.sh", b"11-a.sh"], id="then the rest"),
        pytest.param([b"9.sh", b"09.sh.d", b"10.sh"], id="leading zeros do not count"),
        pytest.param([b"10-a", b"10-a.sh", b"10-a-b.sh"], id="a suffix counts last"),
        pytest.param([b"10-a~1.sh", b"10-a.sh"], id="a tilde comes before the end"),
        pytest.param([b"10-A.sh", b"10-a.sh"], id="capitals before small letters"),
        pytest.param([b"a", b"ab", b"a b", b"a-b", b"a_b"], id="letters before other characters"),
        pytest.param([b"1", b"18446744073709551615", b"18446744073709551616"], id="any size"),
        pytest.param([b"a1.2", b"a1.10"], id="versions"),
        pytest.param([b"x\n", b"x\xff"], id="any bytes"),
    ],
)
def test_names_are_in_version_order(names: list[bytes]) -> None:
    shuffled = [*names[1::2], *names[::2]]
    assert sorted(shuffled, key=order.key) == names
    if has_judge():
        assert version_sort(names) == names
