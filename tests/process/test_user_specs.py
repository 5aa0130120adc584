"""Promise: no user spec and no two files make a traceback, root by mistake, or another user.

`ENTRYKIT_IMAGES` says how many cases there are, ten for each of these; 1,000 if not given.
"""

import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .peers import ROOT
from .starts import SEARCH_PATH

pytestmark = pytest.mark.root

CASES = 10 * int(os.environ.get("ENTRYKIT_IMAGES", "100"))
LAST_ID = 4294967294

NAMES = st.sampled_from(["root", "app", "staff", "web", "0day", "7", "app ", "été"])
NUMBERS = st.integers(0, LAST_ID).map(str) | st.sampled_from(
    ["0", "00", "+0", "-0", "-1", "1500", "1_500", " 0", "0x0", "4294967295", "4294967296",
     "8589934592", "18446744073709551616", "\u0660", "", "abc"]
)  # fmt: skip
WORDS = NAMES | NUMBERS | st.text(st.sampled_from("ap0159:+-_ \t\n\0,#é"), max_size=6)
SPECS = WORDS | st.builds("{}:{}".format, WORDS, WORDS) | st.text(max_size=12)
RAW_SPECS = SPECS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=8)
LINES = st.one_of(
    st.builds("{}:x:{}:{}:{}:/h/{}:/bin/sh".format, NAMES, NUMBERS, NUMBERS, st.just(""), NAMES),
    st.builds("{}:x:{}:{}".format, NAMES, NUMBERS, WORDS),
    st.lists(WORDS, max_size=9).map(":".join),
)
CONTENTS = st.lists(LINES, max_size=6).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
) | st.binary(max_size=40)


class Stepping:
    """The process that steps down."""

    def __init__(self, place: Path) -> None:
        words = [sys.executable, str(Path(__file__).with_name("stepping.py")), str(place)]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PATH": SEARCH_PATH, "PYTHONPATH": os.fspath(ROOT)},
        )  # fmt: skip

    def __call__(self, spec: bytes, passwd: bytes, group: bytes) -> object:
        """Return what became of a spec."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        raw = marshal.dumps((spec, passwd, group))
        self.process.stdin.write(len(raw).to_bytes(4, "big") + raw)
        self.process.stdin.flush()
        size = int.from_bytes(self.process.stdout.read(4), "big")
        return marshal.loads(self.process.stdout.read(size))


@pytest.fixture(scope="module")
def stepping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepping]:
    """Return the process that steps down."""
    one = Stepping(tmp_path_factory.mktemp("root"))
    yield one
    one.process.communicate(b"")


def says_root(spec: str, passwd: bytes) -> bool:
    """Tell whether a spec is uid 0, or a name whose first line has the field `0`."""
    user = spec.partition(":")[0]
    if user.isascii() and user.isdigit():
        return user == "0"
    fields = [line.split(b":") for line in passwd.split(b"\n")]
    return any(one[0] == user.encode("utf-8", "surrogateescape") and one[2] == b"0"
               for one in fields if len(one) == 7)  # fmt: skip


@settings(
    max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(RAW_SPECS, CONTENTS, CONTENTS)
def test_nobody_is_root_by_mistake(
    stepping: Stepping, raw: bytes, passwd: bytes, group: bytes
) -> None:
    became = stepping(raw, passwd, group)
    if not isinstance(became, tuple):
        assert became == 78, became
        return
    spec = raw.decode()
    user, _, wanted_group = spec.partition(":")
    uid, gid, groups, _ = became
    assert gid in groups
    if uid == 0:
        assert says_root(spec, passwd)
    if user.isascii() and user.isdigit():
        assert str(uid) == user
    if wanted_group:
        assert groups == [gid]
    if wanted_group.isascii() and wanted_group.isdigit():
        assert str(gid) == wanted_group
    # Root's group comes of a field that says so, or of a number that nobody has.
    if 0 in groups:
        lines = (passwd + b"\n" + group).split(b"\n")
        fields = {field for line in lines for field in line.split(b":")}
        assert wanted_group == "0" or b"0" in fields or user.isdigit()


@dataclass(frozen=True)
class Person:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True)
class Team:
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


WHOLE_NAMES = st.sampled_from(["root", "app", "web", "0day", "7", "a-b.c$", "été"])
IDS = st.sampled_from([0, 7, 33, 1500, 2**31, LAST_ID]) | st.integers(0, LAST_ID)
PERSONS = st.lists(
    st.builds(Person, WHOLE_NAMES, IDS, IDS, st.sampled_from(["", "/", "/srv/é"])), max_size=6
)
MEMBERS = st.lists(WHOLE_NAMES, max_size=3).map(tuple)
TEAMS = st.lists(st.builds(Team, WHOLE_NAMES, IDS, MEMBERS), max_size=6)
# Of nobody who is looked for.
OTHERS = ["", " ", "# app:x:0:0::/:/bin/sh", "#app:x:0:0::/:/bin/sh", "+::::::", "-web::::::", "x",
          "letters:x:abc:0:x::", "app2:x::::/:", "xapp:x:", ":x:", "app x:x:abc:x"]  # fmt: skip


def meant(spec: str, persons: list[Person], teams: list[Team]) -> object:
    """Return what `docker run --user` would make of a spec: uid, gid, groups, home; or 78."""
    user, _, group = spec.partition(":")
    key = (lambda one: str(one.uid)) if user.isdigit() else (lambda one: one.name)
    person = next((one for one in persons if key(one) == user), None)
    if person is None and not user.isdigit():
        return 78
    uid, gid, home = (person.uid, person.gid, person.home) if person else (int(user), 0, "")
    groups = {team.gid for team in teams if person and person.name in team.members}
    if group:
        gids = [int(group)] if group.isdigit() else [one.gid for one in teams if one.name == group]
        if not gids:
            return 78
        gid, groups = gids[0], set()
    return uid, gid, sorted({gid, *groups}), (home or "/").encode()


@settings(
    max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
@given(PERSONS, TEAMS, st.lists(st.sampled_from(OTHERS), max_size=3), st.data())
def test_whom_two_whole_files_name_is_had(
    stepping: Stepping,
    persons: list[Person],
    teams: list[Team],
    others: list[str],
    data: st.DataObject,
) -> None:
    """Other lines may be broken, or nobody's."""
    known = [word for one in persons for word in (one.name, str(one.uid))] or ["app"]
    users = st.sampled_from(known) | WHOLE_NAMES | IDS.map(str)
    known_groups = [one.name for one in teams] or ["staff"]
    groups = st.sampled_from(known_groups) | WHOLE_NAMES | IDS.map(str)
    spec = data.draw(users | st.builds("{}:{}".format, users, groups))
    lines = [f"{one.name}:x:{one.uid}:{one.gid}::{one.home}:/bin/sh" for one in persons]
    more = [f"{one.name}:x:{one.gid}:{','.join(one.members)}" for one in teams]
    passwd, group = ("\n".join([*others, *some, *others]).encode() for some in (lines, more))
    assert stepping(spec.encode(), passwd, group) == meant(spec, persons, teams)
