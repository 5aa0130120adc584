"""Near misses: what is warned of, and what never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.settings import configuration as configurations
from entrykit.steps import near_misses
from entrykit.steps.inherited import Environment

from .test_environment import Given

DECLARED = (
    "[env.YOUP0M_USERNAME]\n[env.YOUP0M_PASSWORD]\nsecret = true\n"
    "deprecated = ['YOUP0M_PASSPHRASE']\n"
    "[env.WORKER_1]\n[env.HOST]\n[env.DB_URL]\n"
)


def warned(*names: str, toml: str = DECLARED) -> list[tuple[str, str]]:
    declared = configurations.parse(toml.encode(), "e.toml")["env"]
    environment = Environment([name.encode() + b"=1" for name in names])
    unset = [name for name in declared if name not in names]
    return list(near_misses.find(environment, declared, unset))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("YOUP0M_PASWORD", "YOUP0M_PASSWORD"),
        ("YOUP0M_PASSWRD", "YOUP0M_PASSWORD"),
        ("YOUP0M_PASSWROD", "YOUP0M_PASSWORD"),
        ("YOUP0M_PASSWORDS", "YOUP0M_PASSWORD"),
        ("YOUP0M_PASS_WORD", "YOUP0M_PASSWORD"),
        ("YOUPOM_PASSWORD", "YOUP0M_PASSWORD"),
        ("YOUP_PASSWORD", "YOUP0M_PASSWORD"),
        ("YOUP0M_USER_NAME", "YOUP0M_USERNAME"),
        ("YOUP0M-USERNAME", "YOUP0M_USERNAME"),
        ("youp0m_username", "YOUP0M_USERNAME"),
        ("Youp0m.UserName", "YOUP0M_USERNAME"),
        ("YOUP0M_PASWORD_FILE", "YOUP0M_PASSWORD_FILE"),
        ("YOUP0M_PASSPHRAS", "YOUP0M_PASSPHRASE"),
        ("DB_URLS", "DB_URL"),
        ("DBURL", "DB_URL"),
    ],
)
def test_one_slip_is_a_near_miss(name: str, meant: str) -> None:
    assert warned(name) == [(name, meant)]


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "HOSTNAME", "HOSTS", "POST", "PORT", "YOUP0M_USERNAME", "YOUP0M_PASSWORD",
        "YOUP0M_PASSWORD_FILE", "YOUP0M_PASSPHRASE", "YOUP0M_PASSPHRASE_FILE", "WORKER_2",
        "WORKER_3", "YOUP0M_USERNAME_FILE", "YOUP0M_DEBUG", "YOUP0M_PWD", "DB_USER", "DB_NAME", "_",
        "YOUP0M_PASSTHROUGH", "",
    ],
)  # fmt: skip
def test_another_name_is_none(name: str) -> None:
    assert warned(name) == []


def test_a_link_to_a_service_is_never_a_near_miss() -> None:
    links = ("APP_PORT", "APP_PORT_80_TCP", "APP_PORT_80_TCP_ADDR", "APP_SERVICE_PORT_HTTP")
    toml = "".join(f"[env.{name.replace('APP', 'APPS')}]\n" for name in links)
    assert [name for name, _ in warned(*links, toml=toml)] == list(links)
    assert warned(*links, "APP_SERVICE_HOST", toml=toml) == []


def test_what_is_set_has_no_near_miss() -> None:
    assert warned("YOUP0M_PASWORD", "YOUP0M_PASSWORD") == []


def test_a_start_says_it_before_what_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    this = Given(DECLARED + "required = true", {"YOUP0M_USERNAM": "1", "DB_ULR": "2"})
    assert this.problem().startswith("DB_URL: is required and not set")
    assert capfd.readouterr().err.splitlines() == [
        "entrykit: YOUP0M_USERNAM: is set, but not known (did you mean YOUP0M_USERNAME?)",
        "entrykit: DB_ULR: is set, but not known (did you mean DB_URL?)",
    ]


NAMES = st.text("ABC1_", min_size=1, max_size=12)


@given(NAMES, NAMES)
def test_no_name_is_a_defect_and_a_name_is_no_miss_of_itself(name: str, other: str) -> None:
    assert near_misses.is_near(name, other) in (True, False)
    assert not near_misses.is_near(name, name + "XYZ")


@given(st.text("ABCDEFG_", min_size=8, max_size=20), st.data())
def test_a_letter_less_is_always_a_near_miss(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 1))
    assert near_misses.is_near(name[:place] + name[place + 1 :], name)
