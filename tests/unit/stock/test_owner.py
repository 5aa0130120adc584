"""Whom the section and the variables ask for."""

import pwd

import pytest

from entrykit.stock import owner
from entrykit.system.errors import StartError

NAMES = {"uid": "PUID", "gid": "PGID", "user": None}


@pytest.mark.parametrize(
    ("variables", "user", "wanted"),
    [
        ({}, None, None),
        ({"PUID": "", "PGID": ""}, None, None),
        ({"PUID": "1500", "PGID": "1600"}, None, (1500, 1600)),
        ({"PUID": "1500"}, None, (1500, 0)),
        ({"PUID": "0", "PGID": "0"}, None, (0, 0)),
        ({}, "1500:1600", (1500, 1600)),
        ({"PUID": "7"}, "1500:1600", (7, 1600)),
        ({"PGID": "7"}, "1500:1600", (1500, 7)),
        ({"PUID": "7", "PGID": "8"}, "1500:1600", (7, 8)),
    ],
)
def test_the_variables_come_before_the_user(
    variables: dict[str, str], user: str | None, wanted: tuple[int, int] | None
) -> None:
    assert owner.wanted(variables, NAMES | {"user": user}) == wanted


def test_a_known_uid_alone_has_its_own_group() -> None:
    entry = pwd.getpwall()[-1]
    known = pwd.getpwuid(entry.pw_uid)
    assert owner.wanted({"PUID": str(entry.pw_uid)}, NAMES) == (entry.pw_uid, known.pw_gid)


@pytest.mark.parametrize("variable", ["PUID", "PGID"])
@pytest.mark.parametrize("value", ["app", "-1", "1_500", "+1500", "4294967295", " 1500", "\uff11"])
def test_a_variable_holds_an_id_and_the_message_shows_no_value(variable: str, value: str) -> None:
    variables = {"PUID": "1500", "PGID": "1600", variable: value}
    with pytest.raises(StartError) as refusal:
        owner.wanted(variables, NAMES)
    assert str(refusal.value) == (
        f"{variable} is not a whole number from 0 to 4294967294, in digits only"
    )


def test_a_group_without_a_user_is_an_error() -> None:
    with pytest.raises(StartError, match="PGID is set, and PUID is not"):
        owner.wanted({"PGID": "1600"}, NAMES)


def test_both_variables_are_reported_together() -> None:
    with pytest.raises(StartError) as refusal:
        owner.wanted({"PUID": "app", "PGID": "staff"}, NAMES)
    said = [message for _, message, _ in refusal.value.problems]
    assert [message.split(" ", 1)[0] for message in said] == ["PUID", "PGID"]
