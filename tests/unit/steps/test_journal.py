"""A hook's journal: what it says, and that nothing else is ever taken for it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.steps import journal

LINES = st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable)
ENTRIES = st.fixed_dictionaries(
    {"state": st.just("done")},
    optional={key: LINES.filter(bool) for key in ("name", "hook", "digest", "host", "done")},
)


@given(ENTRIES)
def test_a_journal_says_what_was_written(entry: dict[str, str]) -> None:
    assert journal.parse(journal.write_out(entry)) == entry


@given(ENTRIES, st.data())
def test_a_journal_that_is_cut_short_is_never_taken_for_done(
    entry: dict[str, str], data: st.DataObject
) -> None:
    content = journal.write_out(entry)
    with pytest.raises(ValueError, match=r"."):
        journal.parse(content[: data.draw(st.integers(0, len(content) - 1))])


@given(st.binary() | st.text().map(str.encode))
def test_garbage_is_never_taken_for_a_journal(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        entry = journal.parse(content)
        assert content.decode().endswith(f"state: {entry['state']}\n")


@given(st.binary(min_size=1, max_size=8), st.integers(0, 40))
def test_a_journal_with_a_damage_is_none_or_says_no_other_state(damage: bytes, at: int) -> None:
    content = journal.write_out({"name": "x", "hook": "20-x.sh", "state": "started"})
    damaged = content[:at] + damage + content[at + len(damage) :]
    with contextlib.suppress(ValueError):
        entry = journal.parse(damaged)
        assert entry["state"] == "started" or b"done" in damage


@pytest.mark.parametrize(
    "content",
    [
        b"state: done\nstate: done\n", b"state: done\nname: x\n", b"state: Done\n", b"name: x\n",
        b"state: done \n", b" state: done\n", b"state:done\n", b"other: x\nstate: done\n",
        b"state: done\r\n", b"name: a\x1bb\nstate: done\n",
    ],
)  # fmt: skip
def test_what_is_no_journal_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"line"):
        journal.parse(content)
