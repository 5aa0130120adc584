"""What `[env.NAME]` may say: rules that go together, and variables that hang together."""

import pytest

from entrykit.settings import configuration
from entrykit.settings.record import empty
from entrykit.system.errors import StartError


def problems(toml: str) -> list[str]:
    with pytest.raises(StartError) as refusal:
        configuration.parse(toml.encode(), "e.toml")
    assert refusal.value.status == 78
    return [": ".join(part for part in one if part) for one in refusal.value.problems]


def problem(toml: str) -> str:
    (one,) = problems(toml)
    return one


def expects(rules: str) -> str:
    parsed = configuration.parse(f"[env.A]\n{rules}".encode(), "e.toml")
    return parsed["env"]["A"]["expects"]


@pytest.mark.parametrize(
    ("rules", "phrase"),
    [
        ("type = 'str'", "a string"),
        ("min = 8", "a string of at least 8 characters"),
        ("max = 72", "a string of at most 72 characters"),
        ("min = 8\nmax = 72", "a string of 8 to 72 characters"),
        ("pattern = '[a-z]+'", "a string, matching [a-z]+"),
        ("type = 'int'", "an integer"),
        ("type = 'int'\nmin = 1\nmax = 64", "an integer from 1 to 64"),
        ("type = 'int'\nmin = '1'", "an integer of at least 1"),
        ("type = 'float'\nmax = 0.5", "a number of at most 0.5"),
        ("type = 'bool'", "true or false, 1 or 0, yes or no, on or off"),
        ("type = 'enum'\nchoices = ['a', 'b']", "one of a, b"),
        ("type = 'port'", "a port from 1 to 65535"),
        ("type = 'port'\nmin = 1024", "a port from 1024 to 65535"),
        ("type = 'url'\npattern = 'https:.*'", "a URL (SCHEME://HOST), matching https:.*"),
        ("type = 'host-port'", "HOST:PORT"),
        ("type = 'path'", "an absolute path"),
        ("type = 'duration'\nmin = '1s'\nmax = '5m'", "a duration (30s, 500ms, 5m) from 1s to 5m"),
        ("type = 'size'\nmax = '1G'", "a size (512, 64k, 10MiB) of at most 1G"),
        ("type = 'json'", "JSON"),
        ("type = 'regex'", "a regular expression"),
    ],
)
def test_a_phrase_says_what_is_expected(rules: str, phrase: str) -> None:
    assert expects(rules) == phrase


def test_a_variable_without_rules_has_no_type() -> None:
    parsed = configuration.parse(b"[env.A]\ndefault = 'x'\nhelp = 'y'", "e.toml")
    assert parsed["env"]["A"] == {"default": "x", "help": "y"}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("type = 'prot'", "env.A.type: unknown type 'prot': did you mean port?"),
        ("type = 'xyzzy'", "env.A.type: unknown type 'xyzzy': known are str, int, float, bool, "),
        ("type = 1", "env.A.type: expected a word, found an integer"),
        ("type = 'enum'", "env.A.type: an enum needs choices: write for instance choices = "),
        ("choices = ['a']", 'env.A.choices: type str has none: write type = "enum"'),
        ("type = 'enum'\nchoices = []", "env.A.choices: expected a list of different words"),
        ("type = 'enum'\nchoices = ['']", "env.A.choices: expected a list of different words"),
        ("type = 'enum'\nchoices = ['a', 'a']", "env.A.choices: expected a list of different"),
        ("type = 'enum'\nchoices = ['a']\nmin = 1", "env.A.min: type enum has none: it goes with"),
        ("type = 'bool'\nmax = 1", "env.A.max: type bool has none: it goes with str, int, float, "),
        ("type = 'url'\nmin = 1", "env.A.min: type url has none"),
        ("type = 'bool'\npattern = '1'", "env.A.pattern: type bool has none"),
        ("type = 'enum'\nchoices = ['a']\npattern = 'a'", "env.A.pattern: type enum has none"),
        ("pattern = '('", "env.A.pattern: it is no regular expression: missing ), unterminated"),
        ("pattern = ''", "env.A.pattern: expected a word, found an empty string"),
        ("type = 'int'\nmin = 1.5", "env.A.min: expected an integer, found '1.5'"),
        ("type = 'int'\nmin = true", "env.A.min: expected a number, or a string with one, found a"),
        ("type = 'int'\nmin = 'x'", "env.A.min: expected an integer, found 'x'"),
        ("type = 'float'\nmin = nan", "env.A.min: expected a number, found 'nan'"),
        ("type = 'float'\nmax = inf", "env.A.max: expected a number, found 'inf'"),
        ("type = 'port'\nmax = 65536", "env.A.max: expected a number of a port, found '65536'"),
        ("type = 'port'\nmin = -1", "env.A.min: expected a number of a port, found '-1'"),
        ("type = 'duration'\nmin = 'soon'", "env.A.min: expected a duration, found 'soon'"),
        ("type = 'size'\nmin = '1.5G'", "env.A.min: expected a size, found '1.5G'"),
        ("min = -1", "env.A.min: expected a number of characters, found '-1'"),
        ("type = 'int'\nmin = 2\nmax = 1", "env.A.max: it is less than min"),
        ("type = 'size'\nmin = '1M'\nmax = '1MB'", "env.A.max: it is less than min"),
        ("type = 'port'\nmax = 0", "env.A.max: it is less than min"),
        ("type = 'int'\ndefault = 'x'", 'env.A.default: expected an integer, found "x"'),
        ("type = 'port'\ndefault = '0'", 'env.A.default: expected a port from 1 to 65535, found "'),
        (
            "type = 'int'\nsecret = true\ndefault = 'hush'",
            "env.A.default: expected an integer, found another string",
        ),
        ("pattern = 'a+'\ndefault = 'b'", "env.A.default: expected a string, matching a+, found"),
        ("default = '${'", "env.A.default: a ${ in it begins no ${NAME}: write $${ for ${ itself"),
        ("default = '${}'", "env.A.default: a ${ in it begins no ${NAME}"),
        ("default = '${B:-x}'", "env.A.default: a ${ in it begins no ${NAME}"),
        ("default = '${B'", "env.A.default: a ${ in it begins no ${NAME}"),
        ("default = '${ENTRYKIT_LOG}'", "env.A.default: ENTRYKIT_LOG is entrykit's own, and never"),
        ("default = '${A}'", "env.A.default: it refers to A, and so, in the end, to itself"),
        ("min = 0x" + "f" * 5000, "env.A.min: expected a number of fewer digits"),
        ("deprecated = 'B'", "env.A.deprecated: expected a list of names of variables"),
        ("deprecated = []", "env.A.deprecated: expected a list of names of variables"),
        ("deprecated = ['B-C']", "env.A.deprecated: expected a list of names of variables"),
        ("deprecated = ['A']", "env.A.deprecated: A is declared itself: leave one out"),
        ("deprecated = ['B', 'B']", "env.A.deprecated: B is A's already"),
        ("deprecated = ['ENTRYKIT_X']", "env.A.deprecated: ENTRYKIT_X is a name of entrykit's own"),
        ("exclusive = ''", "env.A.exclusive: expected a word, found an empty string"),
        ("exclusive = 'g'", "env.A.exclusive: no other variable is in the group g"),
        ("required-with = 'A'", "env.A.required-with: it is the variable itself"),
        ("required-with = 'B'", "env.A.required-with: B is not declared: declare it: [env.B]"),
        ("required-with = 1", "env.A.required-with: expected the name of a variable, found an"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_told_with_their_line(rules: str, told: str) -> None:
    line = 1 + max(
        number
        for number, text in enumerate(rules.split("\n"), 1)
        if text.startswith(told.partition(":")[0].removeprefix("env.A.")) or number == 1
    )
    assert problem(f"[env.A]\n{rules}").startswith(f"e.toml:{line}: {told}")


def test_what_another_variable_makes_wrong_is_told() -> None:
    toml = """\
[env.A]
deprecated = ["X"]
[env.B]
deprecated = ["X", "A"]
[env.C]
exclusive = "g"
default = "1"
[env.D]
exclusive = "g"
default = "2"
[env.E]
exclusive = "g"
required = true
[env.PASSWORD]
secret = true
[env.URL]
default = "x://${PASSWORD}@${X}"
[env.F]
required-with = "PASWORD"
"""
    assert sorted(problems(toml)) == [
        "e.toml:10: env.D.default: C of the same group has one: leave one out",
        "e.toml:13: env.E.required: it cannot be where another of its group is set: leave it out",
        "e.toml:17: env.URL.default: PASSWORD is secret, and URL is not: declare URL secret too",
        "e.toml:17: env.URL.default: X is a deprecated name: write ${B}",
        "e.toml:19: env.F.required-with: PASWORD is not declared: did you mean PASSWORD?",
        "e.toml:4: env.B.deprecated: A is declared itself: leave one out",
        "e.toml:4: env.B.deprecated: X is A's already",
    ]


def test_a_secret_that_a_section_declares_stays_out_of_defaults_too() -> None:
    toml = '[htpasswd]\nusername = "U"\npassword = "P"\n[env.X]\ndefault = "${P}"\n'
    assert "P is secret, and X is not" in problem(toml)


def test_the_default_of_a_secret_that_a_section_declares_is_not_shown() -> None:
    toml = '[env.P]\ntype = "int"\ndefault = "hush"\n[htpasswd]\nusername = "U"\npassword = "P"\n'
    assert problem(toml) == "e.toml:3: env.P.default: expected an integer, found another string"


def test_a_cycle_is_told_at_each_variable_of_it_and_at_no_other() -> None:
    toml = """\
[env.A]
default = "${B}"
[env.B]
default = "${C}${HOME}"
[env.C]
default = "${A}"
[env.D]
default = "${A}"
"""
    assert problems(toml) == [
        "e.toml:2: env.A.default: it refers to B, and so, in the end, to itself",
        "e.toml:4: env.B.default: it refers to C, and so, in the end, to itself",
        "e.toml:6: env.C.default: it refers to A, and so, in the end, to itself",
    ]


def test_a_default_is_made_after_those_that_it_refers_to() -> None:
    toml = "[env.A]\ndefault = '${B}'\n[env.B]\ndefault = '${C}'\n[env.C]\ndefault = 'x'\n"
    parsed = configuration.parse(toml.encode(), "e.toml")
    assert parsed["composed"] == ["B", "A"]
    assert parsed["env"]["A"]["parts"] == ["", "B", ""]


def test_a_chain_of_any_length_has_an_order() -> None:
    lines = [f"[env.A{n}]\ndefault = '${{A{n + 1}}}'" for n in range(600)]
    parsed = configuration.parse("\n".join(lines).encode(), "e.toml")
    assert parsed["composed"][0] == "A599"
    assert len(parsed["composed"]) == 600


@pytest.mark.parametrize(
    ("written", "value"),
    [("8080", "8080"), ("-1", "-1"), ("0.5", "0.5"), ("true", "true"), ("false", "false")],
)
def test_a_default_may_be_a_number_or_a_truth_value(written: str, value: str) -> None:
    parsed = configuration.parse(f"[env.A]\ndefault = {written}\n".encode(), "e.toml")
    assert parsed["env"]["A"] == {"default": value}


@pytest.mark.parametrize(
    ("default", "value"), [("$", "$"), ("$$", "$$"), ("$A", "$A"), ("$${A}", "${A}"), ("a}", "a}")]
)
def test_a_dollar_alone_is_a_dollar(default: str, value: str) -> None:
    parsed = configuration.parse(f"[env.A]\ndefault = '{default}'".encode(), "e.toml")
    assert parsed["env"]["A"] == {"default": value}


@pytest.mark.parametrize("key", ["env-dirs", "env-files"])
@pytest.mark.parametrize(
    "value", ["'/x'", "['x']", "['']", "[1]", "['/x\\u0000']".replace("'", '"')]
)
def test_directories_and_files_of_variables_have_absolute_paths(key: str, value: str) -> None:
    told = problem(f"{key} = {value}")
    assert told.startswith(f"e.toml:1: {key}: expected a list of absolute paths, found ")


def test_directories_and_files_of_variables_are_kept() -> None:
    parsed = configuration.parse(b"env-dirs = ['/a', '/b']\nenv-files = ['/c']", "e.toml")
    assert parsed == {**empty(), "env_dirs": ["/a", "/b"], "env_files": ["/c"]}


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            "[env.A]\nsecret = true\n[env.A_FILE]\ndefault = '/run/secrets/a'",
            "e.toml:3: env.A_FILE: A is read from the file that A_FILE names: leave it out",
        ),
        (
            "[env.A]\nfile = true\ndeprecated = ['B']\n[env.B_FILE]",
            "e.toml:4: env.B_FILE: A is read from the file that B_FILE names: leave it out",
        ),
        (
            "[env.A]\nsecret = true\n[env.C]\ndeprecated = ['E', 'A_FILE']",
            "e.toml:4: env.C.deprecated: A is read from the file that A_FILE names: leave it out",
        ),
    ],
)
def test_what_names_the_file_of_a_variable_is_no_variable_itself(toml: str, told: str) -> None:
    assert problem(toml) == told


def test_what_names_no_file_is_a_variable_like_any_other() -> None:
    toml = "[env.A]\n[env.A_FILE]\ndefault = '/x'"
    assert list(configuration.parse(toml.encode(), "e.toml")["env"]) == ["A", "A_FILE"]
