"""User specs and ids: exact, or an error."""

import grp
import pwd
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.system import users
from entrykit.system.errors import StartError

EXACT = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
DIGITS = st.text(st.sampled_from("0123456789\u0663\uff13 +-_.x"), max_size=12)


@given(st.integers(0, users.LAST_ID))
def test_an_id_in_range_is_read(number: int) -> None:
    assert users.read_id(str(number)) == number


@given(DIGITS | st.text(max_size=12))
def test_what_is_read_is_exactly_the_id_that_it_says(text: str) -> None:
    is_exact = EXACT.fullmatch(text) and int(text) < 4294967295
    if is_exact:
        assert str(users.read_id(text)) == text
    else:
        with pytest.raises(ValueError, match="a whole number from 0 to 4294967294"):
            users.read_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "+1500", "-1", "1_500", " 1500", "1500\n", "\uff11\uff15", "01500", "0x5", "1e3",
     "4294967295", "4294967296", "99999999999", "²"],
)  # fmt: skip
def test_another_spelling_or_range_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="in digits only"):
        users.read_id(text)


@given(st.text(st.sampled_from("ab:01 \t\n-_é"), max_size=8))
def test_a_spec_is_a_user_and_perhaps_a_group(spec: str) -> None:
    try:
        user, group = users.split(spec)
    except ValueError:
        return
    assert user
    assert spec == (f"{user}:{group}" if group else user)
    assert not set(user + group) & set(": \t\n")


@pytest.mark.parametrize(
    "spec", ["", ":", "app:", ":staff", "a:b:c", "a b", "a\nb", "1500:4294967295", "01:1", "1:01"]
)
def test_a_spec_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"a user|a whole number"):
        users.split(spec)
    with pytest.raises(StartError, match=r"expected a (user|whole number)"):
        users.resolve(spec)


@pytest.mark.parametrize("entry", pwd.getpwall(), ids=lambda entry: entry.pw_name)
def test_a_name_or_a_known_uid_has_the_users_own_group(entry: pwd.struct_passwd) -> None:
    known = pwd.getpwuid(entry.pw_uid)
    assert users.resolve(entry.pw_name) == (entry.pw_uid, entry.pw_gid)
    assert users.resolve(str(entry.pw_uid)) == (entry.pw_uid, known.pw_gid)


def test_a_group_is_a_name_or_a_number() -> None:
    group = grp.getgrall()[-1]
    assert users.resolve(f"root:{group.gr_name}") == (0, group.gr_gid)
    assert users.resolve("1500:4294967294") == (1500, 4294967294)


def test_an_unknown_uid_has_group_0() -> None:
    assert users.resolve("4294967294") == (4294967294, 0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no-such-user", "there is no user 'no-such-user' in /etc/passwd"),
        ("+1500", "there is no user '+1500' in /etc/passwd"),
        ("1_500", "there is no user '1_500' in /etc/passwd"),
        ("\uff11\uff15", "there is no user '\uff11\uff15'"),
        ("root:no-such-group", "there is no group 'no-such-group' in /etc/group"),
        ("\udcff", "expected a user"),
    ],
)
def test_a_name_that_nobody_has_is_an_error(spec: str, message: str) -> None:
    with pytest.raises(StartError, match=re.escape(message)) as refusal:
        users.resolve(spec)
    assert refusal.value.status == 78
