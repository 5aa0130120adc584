"""Promise: the command runs as exactly the user that was asked for, or not at all.

What gosu's own tests promise stands here as tests of the same name, run against gosu and setpriv
too: what no peer passes is noticed, and where one fails is written down.
"""

import re
from pathlib import Path

import pytest

from .peers import OWN, PEERS, ROOT, Became, Shown, Users

pytestmark = [pytest.mark.root, pytest.mark.namespace]

LAST_ID = 4294967294


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    """Return the users of this page."""
    return Users(tmp_path_factory.mktemp("etc"))


# Spec; uid, gid, all groups as `id -G` shows them, HOME. The first are gosu's own tests.
STEPS: dict[str, Shown] = {
    "0": (0, 0, {0}, "/root"),
    "0:0": (0, 0, {0}, "/root"),
    "root": (0, 0, {0}, "/root"),
    "0:root": (0, 0, {0}, "/root"),
    "root:0": (0, 0, {0}, "/root"),
    "root:root": (0, 0, {0}, "/root"),
    "1000": (1000, 0, {0}, "/"),
    "0:1000": (0, 1000, {1000}, "/root"),
    "1000:1000": (1000, 1000, {1000}, "/"),
    "root:1000": (0, 1000, {1000}, "/root"),
    "1000:root": (1000, 0, {0}, "/"),
    "1000:daemon": (1000, 1, {1}, "/"),
    "games": (5, 60, {50, 60, 100}, "/usr/games"),
    "games:daemon": (5, 1, {1}, "/usr/games"),
    # And more.
    "app": (1500, 1500, {50, 100, 1500}, "/srv/app"),
    "1500": (1500, 1500, {50, 100, 1500}, "/srv/app"),
    "1500:1500": (1500, 1500, {1500}, "/srv/app"),
    "app:staff": (1500, 50, {50}, "/srv/app"),
    "app:4242": (1500, 4242, {4242}, "/srv/app"),
    "nobody": (65534, 65534, {65534}, "/nonexistent"),
    "twin": (1506, 1506, {1506}, "/first"),
    # A number is a uid, also where somebody is named so.
    "77": (77, 0, {0}, "/"),
    "2147483647:2147483647": (2147483647, 2147483647, {2147483647}, "/"),
    "2147483648:2147483648": (2147483648, 2147483648, {2147483648}, "/"),
    f"{LAST_ID}:{LAST_ID}": (LAST_ID, LAST_ID, {LAST_ID}, "/"),
    "homeless": (1501, 1501, {1501}, "/"),
    "1516": (1516, 0, {0}, "/"),
}
# Where a peer becomes something else than entrykit, or nothing: uid (None for a refusal) and HOME.
OTHERWISE: dict[tuple[str, str], tuple[int | None, str]] = {
    # Only up to 2^31-1, "for 32-bit systems".
    ("gosu", "2147483648:2147483648"): (None, ""),
    ("gosu", f"{LAST_ID}:{LAST_ID}"): (None, ""),
    ("gosu", "homeless"): (1501, ""),
    # A line that is commented out.
    ("gosu", "1516"): (1516, "/old"),
    # A name comes before a number.
    ("setpriv", "77"): (1507, "/nowhere"),
}

# Spec, and what the one line says.
REFUSED: dict[str, str] = {
    # gosu's own tests.
    "bogus": "there is no user 'bogus' in /etc/passwd",
    "0day": "there is no user '0day' in /etc/passwd",
    "0:bogus": "there is no group 'bogus' in /etc/group",
    "0:0day": "there is no group '0day' in /etc/group",
    # Forms.
    "": "expected a user",
    ":": "expected a user",
    ":0": "expected a user",
    ":33": "expected a user",
    "0:": "expected a user",
    "app:": "expected a user",
    "app:app:app": "expected a user",
    "app:app:": "expected a user",
    " app": "expected a user",
    "app\n": "expected a user",
    # Numbers.
    "+1500": "there is no user '+1500'",
    "-1": "there is no user '-1'",
    "1_500": "there is no user '1_500'",
    "0x5": "there is no user '0x5'",
    "１５００": "there is no user '１５００'",  # noqa: RUF001 - full-width digits
    "01500": "expected a whole number from 0 to 4294967294",
    "00": "expected a whole number from 0 to 4294967294",
    "4294967295": "expected a whole number from 0 to 4294967294",
    "4294967296": "expected a whole number from 0 to 4294967294",
    "8589934592": "expected a whole number from 0 to 4294967294",
    "99999999999999999999": "expected a whole number from 0 to 4294967294",
    "1500:4294967295": "expected a whole number from 0 to 4294967294",
    "1500:4294967296": "expected a whole number from 0 to 4294967294",
    "1500:+0": "there is no group '+0'",
    # Lines.
    "letters": "/etc/passwd:10: the line is broken: its uid is not a whole number",
    "short": "/etc/passwd:11: the line is broken: it has 2 fields instead of 7",
    "nogid": "/etc/passwd:12: the line is broken: it has 3 fields instead of 7",
    "1509": "/etc/passwd:12: the line is broken: it has 3 fields instead of 7",
    "large": "/etc/passwd:13: the line is broken: its uid is not a whole number",
    "last": "/etc/passwd:14: the line is broken: its uid is not a whole number",
    "negative": "/etc/passwd:15: the line is broken: its uid is not a whole number",
    "octal": "/etc/passwd:16: the line is broken: its uid is not a whole number",
    "1513": "/etc/passwd:16: the line is broken: its uid is not a whole number",
    "plus": "/etc/passwd:17: the line is broken: its uid is not a whole number",
    "empty": "/etc/passwd:18: the line is broken: its uid is not a whole number",
    "#old": "there is no user '#old'",
    "member": "/etc/group:7: the line is broken: its gid is not a whole number",
    "app:broken": "/etc/group:8: the line is broken: its gid is not a whole number",
}
# What a peer does instead of refusing: the uid and gid that the command then has.
ACCEPTED: dict[tuple[str, str], tuple[int, int]] = {
    **dict.fromkeys([("gosu", spec) for spec in ("", ":", ":0", "0:", "00", "short")], (0, 0)),
    ("gosu", ":33"): (0, 33),
    **dict.fromkeys([("gosu", spec) for spec in ("app:", "app:app:app", "app:app:")], (1500, 1500)),
    **dict.fromkeys([("gosu", spec) for spec in ("+1500", "01500")], (1500, 1500)),
    ("gosu", "1500:+0"): (1500, 0),
    ("gosu", "8589934592"): (0, 1510),
    ("gosu", "letters"): (0, 1508),
    ("gosu", "nogid"): (1509, 0),
    ("gosu", "1509"): (1509, 0),
    ("gosu", "large"): (0, 1510),
    ("gosu", "octal"): (1513, 1513),
    ("gosu", "1513"): (1513, 1513),
    ("gosu", "plus"): (1514, 1514),
    ("gosu", "empty"): (0, 1515),
    ("gosu", "#old"): (1516, 1516),
    # With the groups of all lines that list it, but the broken one's: that is root's.
    ("gosu", "member"): (1505, 1505),
    ("gosu", "app:broken"): (1500, 0),
    # The uid or gid that means "leave it", and those that are cut to 32 bits.
    **dict.fromkeys([("setpriv", spec) for spec in ("-1", "4294967295", "last")], (0, 1500)),
    **dict.fromkeys([("setpriv", spec) for spec in ("4294967296", "8589934592")], (0, 1500)),
    **dict.fromkeys([("setpriv", f"1500:{gid}") for gid in (4294967295, 4294967296)], (1500, 0)),
    **dict.fromkeys([("setpriv", spec) for spec in ("+1500", "01500")], (1500, 1500)),
    ("setpriv", "00"): (0, 1500),
    ("setpriv", "1500:+0"): (1500, 0),
    # It asks the C library for names alone, which takes such lines.
    ("setpriv", "octal"): (1513, 1500),
    ("setpriv", "plus"): (1514, 1500),
    ("setpriv", "member"): (1505, 1500),
    ("setpriv", "1509"): (1509, 1500),
    ("setpriv", "1513"): (1513, 1500),
}
# Refused by entrykit alone: other spellings of a number, and broken lines that give a number.
OURS_ALONE = {"+1500", "01500", "00", "1500:+0", "8589934592", "octal", "plus"}
OURS_ALONE |= {"1509", "1513", "member"}


def became(users: Users, way: str, spec: str) -> Became:
    """Return what came of a spec."""
    return users.become({**OWN, **PEERS}[way](spec))


@pytest.mark.parametrize("spec", STEPS)
@pytest.mark.parametrize("way", OWN)
def test_a_user_that_is_asked_for_is_had(users: Users, way: str, spec: str) -> None:
    found = became(users, way, spec)
    assert found.shown == STEPS[spec], found.said
    # As docker run --user, and other than gosu: its own group is among the supplementary ones.
    assert found.gid in found.groups
    assert found.said == ""


@pytest.mark.gosu
@pytest.mark.parametrize("spec", STEPS)
@pytest.mark.parametrize("way", PEERS)
def test_a_peer_has_the_same_user_but_where_it_is_known_not_to(
    users: Users, way: str, spec: str
) -> None:
    found = became(users, way, spec)
    expected = STEPS[spec]
    if way == "setpriv":
        # It leaves HOME alone, and takes the gid that it is told.
        uid, gid, _, _ = expected
        gid = gid if ":" in spec else 1500
        expected = (uid, gid, {gid}, "/nowhere")
    if (way, spec) in OTHERWISE:
        assert (found.uid, found.home) == OTHERWISE[way, spec]
    else:
        assert found.shown == expected, found.said


@pytest.mark.parametrize("spec", REFUSED)
@pytest.mark.parametrize("way", OWN)
def test_what_names_nobody_exactly_is_refused(users: Users, way: str, spec: str) -> None:
    found = became(users, way, spec)
    assert (found.status, found.uid) == (78, None)
    assert REFUSED[spec] in found.said
    assert found.said.count("\n") == 1, "one line"


@pytest.mark.gosu
@pytest.mark.parametrize("spec", REFUSED)
@pytest.mark.parametrize("way", PEERS)
def test_a_peer_refuses_the_same_but_where_it_is_known_not_to(
    users: Users, way: str, spec: str
) -> None:
    found = became(users, way, spec)
    assert (found.uid, found.gid) == ACCEPTED.get((way, spec), (None, None)), found.said


def test_there_is_no_promise_that_no_peer_keeps() -> None:
    refused_by_none = {spec for spec in REFUSED if all((way, spec) in ACCEPTED for way in PEERS)}
    # setpriv looks up neither groups nor HOME.
    kept_by_none = {spec for spec in STEPS if ("gosu", spec) in OTHERWISE and ":" not in spec}
    assert refused_by_none == OURS_ALONE
    assert kept_by_none == {"homeless", "1516"}


@pytest.mark.gosu
def test_gosu_takes_roots_group_from_a_line_with_a_broken_gid(users: Users) -> None:
    assert became(users, "gosu", "member").groups == {0}


PAGE = (ROOT / "docs" / "step-down.md").read_text(encoding="utf-8")


def test_the_page_shows_what_is_said(users: Users) -> None:
    assert became(users, "run", "letters").said in PAGE
    refused = users.become(OWN["run"]("app"), before=["setpriv", "--bounding-set=-all"])
    assert refused.said in PAGE


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_[a-z_]+)`", PAGE))))
def test_each_test_that_the_page_names_is_there(name: str) -> None:
    places = Path(__file__).parent.glob("test_*.py")
    assert any(f"def {name}(" in path.read_text(encoding="utf-8") for path in places)
