"""How declared variables hang together at a start: old names, groups, defaults, Kubernetes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.system.errors import StartError

from .test_environment import Given


def resolved(toml: str, **variables: str | bytes) -> dict[str, str]:
    found = Given(toml, variables).resolved()
    return {name.decode(): value.decode() for name, value in found.items()}


def problems(toml: str, **variables: str | bytes) -> list[str]:
    told = Given(toml, variables).problems()
    return [": ".join(part for part in one if part) for one in told]


OLD = '[env.NEW]\ndeprecated = ["OLD", "OLDER"]\n'
OLD_SECRET = OLD + "secret = true\n"


@pytest.mark.parametrize(
    ("variables", "found", "warned"),
    [
        ({"NEW": "1"}, {"NEW": "1"}, []),
        ({"OLD": "1"}, {"NEW": "1"}, ["OLD"]),
        ({"OLDER": "1"}, {"NEW": "1"}, ["OLDER"]),
        ({"OLD": "1", "OLDER": "1"}, {"NEW": "1"}, ["OLD", "OLDER"]),
        ({"NEW": "1", "OLD": "1"}, {"NEW": "1"}, ["OLD"]),
        ({"NEW": "", "OLD": "1"}, {"NEW": "1"}, ["OLD"]),
        ({"NEW": "1", "OLD": ""}, {"NEW": "1"}, []),
        ({"OLD": ""}, {}, []),
        ({"OLD_FILE": "/x"}, {"OLD_FILE": "/x"}, []),
    ],
)
def test_an_old_names_value_moves_to_the_new_one_with_a_warning(
    capfd: pytest.CaptureFixture[str],
    variables: dict[str, str | bytes],
    found: dict[str, str],
    warned: list[str],
) -> None:
    assert resolved(OLD, **variables) == found
    told = [f"entrykit: {old}: is a deprecated name (set NEW instead)" for old in warned]
    assert capfd.readouterr().err.splitlines() == told


def test_two_names_with_different_values_are_a_problem() -> None:
    assert problems(OLD, NEW="1", OLD="2") == [
        "NEW: it and OLD, its deprecated name, are set to different values: leave out OLD"
    ]
    assert problems(OLD, OLD="1", OLDER="2") == [
        "NEW: OLD and OLDER, its deprecated names, are set to different values: leave out OLDER"
    ]


def test_an_old_name_of_a_secret_has_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("hush\n", encoding="utf-8")
    assert resolved(OLD_SECRET, OLD_FILE=str(tmp_path / "old")) == {"NEW": "hush"}
    both = problems(OLD_SECRET, OLD_FILE=str(tmp_path / "old"), OLD="hush")
    assert both == ["NEW: is set, and so is OLD_FILE: set one of the two"]
    other = problems(OLD_SECRET, OLD_FILE=str(tmp_path / "old"), NEW="other")
    assert other[0].startswith("NEW: it and OLD, its deprecated name, are set to different values")
    assert "hush" not in other[0]


def test_an_old_names_value_is_checked_by_the_type() -> None:
    toml = OLD + 'type = "int"\nhelp = "how many"'
    assert problems(toml, OLD="x") == ['NEW: expected an integer, found "x": how many']


GROUP = "".join(f'[env.{name}]\nexclusive = "g"\n' for name in ("A", "B", "C"))


@pytest.mark.parametrize("variables", [{}, {"A": "1"}, {"A": "1", "B": ""}, {"C": "1", "D": "1"}])
def test_of_a_group_at_most_one_is_set(variables: dict[str, str | bytes]) -> None:
    assert resolved(GROUP, **variables) == variables


def test_two_of_a_group_are_a_problem() -> None:
    rule = "of A, B and C only one can be: unset the others"
    assert problems(GROUP, A="1", C="1") == [f"A: is set, and so is C: {rule}"]
    assert problems(GROUP, B="1", C="1", A="1") == [f"A: is set, and so are B and C: {rule}"]


def test_a_default_is_not_set_where_another_of_the_group_is() -> None:
    toml = GROUP.replace("[env.B]", "[env.B]\ndefault = 'b'")
    assert resolved(toml) == {"B": "b"}
    assert resolved(toml, A="1") == {"A": "1"}
    assert resolved(toml, B="1") == {"B": "1"}


WITH = '[env.KEY]\nrequired-with = "CERT"\nhelp = "the key"\n[env.CERT]\n'


def test_what_is_required_with_another_is_required_where_that_is_set() -> None:
    assert resolved(WITH) == {}
    assert resolved(WITH, KEY="1") == {"KEY": "1"}
    assert resolved(WITH, KEY="1", CERT="2") == {"KEY": "1", "CERT": "2"}
    assert resolved(WITH, CERT="") == {"CERT": ""}
    told = ["KEY: is required with CERT, which is set, and is not set: set it: the key"]
    assert problems(WITH, CERT="2") == told
    assert problems(WITH + "default = 'x'") == told
    assert problems(WITH, CERT="2", KEY="") == told


URL = """
[env.URL]
default = "http://${HOST}:${PORT}/"
type = "url"
[env.HOST]
default = "${NAME}.example"
[env.PORT]
type = "port"
default = "80"
[env.NAME]
"""


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"NAME": "a"}, "http://a.example:80/"),
        ({"NAME": "a", "PORT": "81"}, "http://a.example:81/"),
        ({"HOST": "h"}, "http://h:80/"),
        ({"URL": "https://x", "NAME": "a"}, "https://x"),
        ({"URL": "", "HOST": "h"}, "http://h:80/"),
    ],
)
def test_a_default_is_made_from_others_whatever_their_order(
    variables: dict[str, str | bytes], url: str
) -> None:
    assert resolved(URL, **variables)["URL"] == url


def test_a_default_may_refer_to_what_is_not_declared() -> None:
    assert resolved("[env.A]\ndefault = '${HOSTNAME}-$${X}-$'", HOSTNAME="h")["A"] == "h-${X}-$"


def test_a_default_that_cannot_be_made_is_told_once() -> None:
    assert problems(URL) == ["HOST: its default refers to NAME, which is not set: set NAME or HOST"]
    assert problems(URL, NAME="a", PORT="x") == ['PORT: expected a port from 1 to 65535, found "x"']
    assert problems("[env.A]\ndefault = '${B}'", B="") == [
        "A: its default refers to B, which is not set: set B or A"
    ]


def test_a_made_default_is_checked_by_its_type() -> None:
    toml = "[env.A]\ntype = 'int'\ndefault = '1${B}'\nhelp = 'a number'\n"
    assert resolved(toml, B="2")["A"] == "12"
    assert problems(toml, B="x") == ['A: expected an integer, found "1x": a number']


def test_a_secrets_default_may_hold_secrets_and_is_never_shown() -> None:
    toml = (
        "[env.P]\nsecret = true\n[env.URL]\nsecret = true\ntype = 'url'\ndefault = 'x://${P}@h'\n"
    )
    assert resolved(toml, P="hush")["URL"] == "x://hush@h"
    assert problems(toml, P="hu sh") == [
        "URL: expected a URL (SCHEME://HOST), found a value that is not shown: it is secret"
    ]


LINKS = {
    "APP_PORT": "tcp://10.0.0.1:80", "APP_SERVICE_HOST": "10.0.0.1", "APP_SERVICE_PORT": "80",
    "APP_PORT_80_TCP": "tcp://10.0.0.1:80", "APP_PORT_80_TCP_PORT": "80",
}  # fmt: skip
PORT = "[env.APP_PORT]\ntype = 'port'\n"
SAID = "entrykit: APP_PORT: is a link to a service of Kubernetes: as if not set\n"


def test_a_link_to_a_service_is_as_if_not_set(capfd: pytest.CaptureFixture[str]) -> None:
    rest = {name: value for name, value in LINKS.items() if name != "APP_PORT"}
    assert resolved(PORT, **LINKS) == rest
    assert resolved(PORT + "default = '8080'", **LINKS) == {**rest, "APP_PORT": "8080"}
    assert capfd.readouterr().err == SAID * 2
    assert problems(PORT + "required = true", **LINKS) == [
        "APP_PORT: is required and not set: set it"
    ]


def test_all_links_are_said_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    toml = PORT + "[env.APP_PORT_80_TCP]\ntype = 'url'\n[env.X]\ntype = 'int'\n"
    toml += "deprecated = ['DB_PORT']\n"
    more = {"DB_PORT": "udp://10.0.0.2:53", "DB_SERVICE_HOST": "10.0.0.2"}
    assert "DB_PORT" not in resolved(toml, **LINKS, **more)
    what = "are links to a service of Kubernetes: as if not set"
    said = f"entrykit: APP_PORT, APP_PORT_80_TCP, DB_PORT: {what}\n"
    assert capfd.readouterr().err == said


@pytest.mark.parametrize(
    ("toml", "changed"),
    [
        ("[env.APP_PORT]\n", {}),
        (PORT, {"APP_PORT": "8080"}),
        ("[env.APP_PORT]\ntype = 'url'\n", {"APP_SERVICE_HOST": None}),
        ("[env.APP_SERVICE_PORT]\ntype = 'port'\n", {}),
        ("[env.APP_PORTAL]\ntype = 'url'\n", {"APP_PORTAL": "tcp://10.0.0.1:80"}),
        ("[env.APP_PORT_80_TCP_PORT]\ntype = 'port'\n", {}),
    ],
)
def test_what_is_no_link_is_left_alone(
    capfd: pytest.CaptureFixture[str], toml: str, changed: Mapping[str, str | None]
) -> None:
    variables = {name: value for name, value in {**LINKS, **changed}.items() if value}
    assert resolved(toml, **variables) == variables
    assert capfd.readouterr().err == ""


def test_a_port_that_is_a_link_without_its_service_is_no_port() -> None:
    assert problems(PORT, APP_PORT="tcp://10.0.0.1:80") == [
        'APP_PORT: expected a port from 1 to 65535, found "tcp://10.0.0.1:80"'
    ]


ALL = """
[env.A]
type = "int"
deprecated = ["OLD_A"]
exclusive = "g"
default = "1"
[env.B]
type = "str"
max = 3
exclusive = "g"
secret = true
[env.C]
required-with = "A"
default = "${B}${A}"
secret = true
[env.D]
type = "url"
default = "http://${HOSTNAME}/"
"""
NAMES = ["A", "OLD_A", "B", "C", "D", "HOSTNAME", "B_FILE", "C_FILE", "D_SERVICE_HOST", "CC"]
BYTES = st.binary(max_size=8).map(lambda raw: raw.replace(b"\0", b"x"))


@given(st.dictionaries(st.sampled_from(NAMES), BYTES))
def test_any_values_are_taken_or_told_and_a_valid_one_stays_as_it_is(
    variables: dict[str, bytes],
) -> None:
    given_values = Given(ALL, variables)
    try:
        found = given_values.resolved()
    except StartError as error:
        assert error.status == 78  # noqa: PT017 - the other outcome is looked at below
        return
    for name in ("A", "B", "C", "D", "HOSTNAME"):
        if variables.get(name):
            assert found[name.encode()] == variables[name]
