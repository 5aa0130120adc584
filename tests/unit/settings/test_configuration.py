"""The configuration file: what each key may hold, and how mistakes are told."""

import contextlib
import re
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.settings import configuration, record
from entrykit.system.errors import StartError


def parse(toml: str) -> "record.Configuration":
    return configuration.parse(toml.encode(), "/etc/entrykit.toml")


def problems(toml: str | bytes) -> list[tuple[str, str, str]]:
    content = toml.encode() if isinstance(toml, str) else toml
    with pytest.raises(StartError) as refusal:
        configuration.parse(content, "e.toml")
    assert refusal.value.status == 78
    return list(refusal.value.problems)


def problem(toml: str) -> str:
    (one,) = problems(toml)
    return ": ".join(part for part in one if part)


def test_an_empty_file_says_what_no_file_says() -> None:
    assert parse("# nothing\n") == record.empty()


@pytest.mark.parametrize(
    ("toml", "key", "value"),
    [
        ("program = '/srv/x'", "program", ["/srv/x"]),
        ("program = ['java', '-jar', '']", "program", ["java", "-jar", ""]),
        ("commands = []", "commands", []),
        ("commands = ['celery', '*']", "commands", ["celery", "*"]),
        ("umask = '027'", "umask", 0o27),
        ("umask = '0'", "umask", 0),
        ("no-new-privileges = true", "no_new_privileges", True),
        ("timeout = 30", "timeout", 30.0),
        ("timeout = 0.5", "timeout", 0.5),
        ("timeout = '500ms'", "timeout", 0.5),
        ("timeout = '5m'", "timeout", 300.0),
        ("grace = '10s'", "grace", 10.0),
        ("stop-signals = ['WINCH', 'SIGUSR1', 'hup']", "stop_signals",
         [signal.SIGWINCH, signal.SIGUSR1, signal.SIGHUP]),
        ("stop-signals = ['RTMIN+3', 'SIGRTMIN+0', 'rtmin', 'SIGRTMAX', 'RTMAX-1']", "stop_signals",
         [signal.SIGRTMIN + 3, signal.SIGRTMIN, signal.SIGRTMIN, signal.SIGRTMAX,
          signal.SIGRTMAX - 1]),
        ("stop-signals = ['37', '1']", "stop_signals", [37, signal.SIGHUP]),
        ("init = true", "init", True),
        ("forward = 'group'", "forward", "group"),
        ("rewrite = ['TERM=QUIT', 'SIGUSR1=0', 'RTMAX-1=KILL']", "rewrite",
         {15: 3, 10: 0, signal.SIGRTMAX - 1: 9}),
        ("rewrite = []", "rewrite", {}),
        ("ok-status = [7, 143, 0]", "ok_status", [7, 143, 0]),
        ("parent-death-signal = 'TERM'", "parent_death_signal", 15),
    ],
)  # fmt: skip
def test_a_key_holds_its_value(toml: str, key: str, value: object) -> None:
    assert {**parse(toml)} == {**record.empty(), key: value}


DURATION = 'a duration ("30s", "500ms", "5m", or a number of seconds)'


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("program = ''", "a word or a list of words"),
        ("program = []", "a word or a list of words"),
        ("program = ['']", "a word or a list of words"),
        ("program = 1", "a word or a list of words"),
        ("program = ['a', 1]", "a word or a list of words"),
        ('program = "a\\u0000"', "a word or a list of words"),
        ("commands = 'celery'", "a list of words"),
        ("commands = [1]", "a list of words"),
        ('commands = ["\\u0000"]', "a list of words"),
        ("umask = 22", 'an octal string ("022")'),
        ("umask = '8'", 'an octal string ("022")'),
        ("umask = ''", 'an octal string ("022")'),
        ("no-new-privileges = 'true'", "true or false"),
        ("no-new-privileges = 1", "true or false"),
        ("timeout = true", DURATION),
        ("timeout = '5 minutes'", DURATION),
        ("timeout = 0", DURATION),
        ("timeout = -1", DURATION),
        ("timeout = nan", DURATION),
        ("timeout = inf", DURATION),
        ("grace = []", DURATION),
        ("grace = 2026-11-24", DURATION),
        ("stop-signals = 'TERM'", "a list of words"),
        ("trust = 'none'", '"any"'),
        ("trust = true", '"any"'),
        ("env = 1", "a table"),
        ("env.A = 'x'", "a table"),
        ("hooks = []", "a table"),
        ("hooks.'10.sh' = 1", "a table"),
        ("runners = ''", "a table"),
        ("htpasswd = true", "a table"),
        ("env.A.default = [1]", "a string, a number, true or false"),
        ("env.A.help = ['x']", "a string"),
        ('env.A.default = "a\\u0000b"', "a string, a number, true or false"),
        ("env.A.required = 'yes'", "true or false"),
        ("env.A.secret = 1", "true or false"),
        ("env.A.file = 0", "true or false"),
        ("env.A.expose = []", "true or false"),
        ("runners.'.sql' = 'psql'", "a list of words"),
        ("runners.'.sql' = []", "a list of words, the first a program"),
        ("runners.'.sql' = ['', 'x']", "a list of words, the first a program"),
        ("htpasswd = {username = 'A B', password = 'P'}", "the name of a variable"),
        ("htpasswd = {username = 'A', password = 1}", "the name of a variable"),
        (
            "htpasswd = {username = 'A', password = 'P', file = ''}",
            "the path of a file, or its bare name",
        ),
        (
            "htpasswd = {username = 'A', password = 'P', file = '/srv/'}",
            "the path of a file, or its bare name",
        ),
        (
            "htpasswd = {username = 'A', password = 'P', file = '.htpasswd'}",
            "a bare name without a dot before it",
        ),
        ("timeout = 1" + "0" * 400, DURATION),
        ("htpasswd = {username = 'A', password = 'P', option = 1}", "a word"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_its_line_and_what_was_expected(
    toml: str, expected: str
) -> None:
    told = problem(f"\n{toml}\n")
    assert f": expected {expected}, found " in told
    assert told.startswith("e.toml:2: ")
    assert toml.partition(" ")[0].split(".")[0] in told


@pytest.mark.parametrize(
    "word",
    [
        "KILL", "SIGKILL", "9", "NONE", "_DFL", "SEGV", "CHLD", "0", "65", "-15", "32", "RTMIN+99",
        "RTMIN+", "RTMIN+x", "RTMIN+\u0663", "\u0663", "TERM+1", "SIG", "",
    ],
)  # fmt: skip
def test_what_cannot_be_waited_for_is_no_stop_signal(word: str) -> None:
    expected = f"a list of signals that can be waited for, which {word!r} is not"
    assert f"expected {expected}" in problem(f"stop-signals = ['TERM', '{word}']")


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("ok-status = [0, 300]", "a list of exit statuses, 0 to 255, which 300 is not"),
        ("rewrite = ['TERM']", 'signals as "TERM=QUIT" or "USR1=0", which \'TERM\' is not'),
        ("rewrite = ['HUP=0', 'HUP=1']", "each signal once, and HUP is there twice"),
        ("parent-death-signal = 'X'", "the name of a signal, which 'X' is not"),
        ("limits.set = ['a-b']", "a list of names of variables, which 'a-b' is not"),
    ],
)
def test_what_is_wrong_in_a_list_is_named_and_no_more(toml: str, expected: str) -> None:
    assert problem(toml) == f"e.toml:1: {toml.partition(' ')[0]}: expected {expected}"


@pytest.mark.parametrize(
    ("toml", "found"),
    [
        ("true", "a truth value"), ("1", "an integer"), ("1.5", "a number"), ("{}", "a table"),
        ("[]", "an empty list"), ("['hush']", "a list"), ("''", "an empty string"),
        ("'hush'", "a string"), ("12:00:00", "a date or time"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_not_shown(toml: str, found: str) -> None:
    told = problem(f"umask = {toml}")
    assert told == f'e.toml:1: umask: expected an octal string ("022"), found {found}'


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("progam = 'x'", "1: unknown key progam: did you mean program?"),
        ("[htpaswd]\nusername = 'A'", "1: unknown key htpaswd: did you mean htpasswd?"),
        ("[env.A]\ndefualt = 'x'", "2: unknown key env.A.defualt: did you mean default?"),
        ("[env.A]\nxyzzy = 'x'", "2: unknown key env.A.xyzzy: known are type, default, "),
        (
            "[hooks.'10.sh']\ntime-out = 1",
            '2: hooks."10.sh": unknown setting time-out: did you mean timeout?',
        ),
        (
            "no_new_privileges = true",
            "1: unknown key no_new_privileges: did you mean no-new-privileges?",
        ),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(toml: str, told: str) -> None:
    assert problem(toml).startswith(f"e.toml:{told}")


def test_all_problems_are_told_together_each_with_its_line() -> None:
    told = problems(
        """\
progam = "x"
umask = 22

[env.A]
default = '''
[runners]
umask = 1
'''
required = "yes"

[env."B-C"]
[env.ENTRYKIT_X]

[runners]
sql = ["psql"]

[hooks."10-é.sh"]
timeout = "soon"

[htpasswd]
username = "A"
optoin = "-x"
"""
    )
    lines = [int(re.sub(r"e\.toml:", "", where)) for where, _, _ in told]
    assert sorted(lines) == [1, 2, 9, 11, 12, 15, 18, 22]


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("username = 'A'", "password: is missing (username and password go together)"),
        ("password = 'A'", "username: is missing (username and password go together)"),
        ("users = 'A'\nusername = 'B'", "password: is missing (username and password go together)"),
        ("", "password: is missing (so are username, users and entries: name one at least)"),
    ],
)
def test_an_htpasswd_file_needs_a_user_from_somewhere(toml: str, told: str) -> None:
    ((where, message, hint),) = problems(f"[htpasswd]\n{toml}")
    assert (where, f"{message} ({hint})") == ("e.toml:1", f"htpasswd.{told}")


@pytest.mark.parametrize("file", ["/run/users", "/run//users", "/run/./users"])
def test_two_htpasswd_files_cannot_have_one_place(file: str) -> None:
    tables = ["'/run/other'", f"'{file}'", "'/run/users'"]
    toml = "".join(f"[[htpasswd]]\nusers = 'A'\nfile = {one}\n" for one in tables)
    assert problem(toml).startswith("e.toml:9: htpasswd.3.file: is that of table 2 too: give each")


def test_each_htpasswd_file_declares_its_variables_secret() -> None:
    toml = "[[htpasswd]]\nusers = 'A'\nfile = 'a'\n[[htpasswd]]\nentries = 'B'\nfile = 'b'\n"
    assert parse(toml)["env"] == {"A": {"secret": True}, "B": {"secret": True}}


@pytest.mark.parametrize("toml", ["init = false", "env-dirs = []", "env-files = []"])
def test_what_holds_anyway_may_be_said(toml: str) -> None:
    assert parse(toml) == record.empty()


@pytest.mark.parametrize(
    ("content", "where", "told"),
    [
        ("a = \n", "e.toml:1", "not valid TOML.*line 1"),
        ("a = 1\na = 2\n", "e.toml:2", "not valid TOML.*line 2"),
        (b"\xef\xbb\xbfa = 1\n", "e.toml:1", "not valid TOML"),
        (b"a = 'x'\n\nb = '\xff'\n", "e.toml:3", "not UTF-8"),
        ("a = " + "[" * 5000, "e.toml", "not valid TOML"),
        ("a = " + "1" * 5000, "e.toml", "not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_the_line(
    content: str | bytes, where: str, told: str
) -> None:
    ((place, message, _),) = problems(content)
    assert place == where
    assert re.search(told, message)


@pytest.mark.parametrize(
    ("toml", "mend"),
    [
        ('a = "x\n', "close the string on its line"),
        ("a = 'x", "close the string"),
        ('a = """x', "close the string"),
        ('a = "C:\\x"', "write the string in single quotes, or each \\ twice"),
        ("a = x", 'a string stands in quotes; others are 1, true and ["a", "b"]'),
        ("a = True", 'a string stands in quotes; others are 1, true and ["a", "b"]'),
        ("a: 1", "write KEY = VALUE"),
        ("= 1", "write KEY = VALUE"),
        ("[a", "a table's name stands in brackets: [NAME]"),
        ("a = 1 b = 2", "one key a line, and a string in quotes"),
        ("a = 1\na = 2", "a key stands there twice: leave one"),
        ("[a]\n[a]", "a table stands there twice: leave one"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_mend(toml: str, mend: str) -> None:
    ((_, _, told),) = problems(toml)
    assert told == mend


def test_a_variable_holds_all_its_keys() -> None:
    toml = """
        [env.A]
        default = "x"
        required = true
        secret = true
        file = false
        expose = true
        help = "what it is"
    """
    assert parse(toml)["env"] == {
        "A": {
            "default": "x", "required": True, "secret": True, "file": False, "expose": True,
            "help": "what it is",
        }
    }  # fmt: skip


def test_a_hook_has_its_settings() -> None:
    toml = """
        [hooks."20-migrate.sh"]
        timeout = "5m"
        secrets = ["DB_PASSWORD"]
        on-error = "continue"
    """
    expected = {"timeout": 300.0, "secrets": ["DB_PASSWORD"], "on_error": "continue"}
    assert parse(toml)["hooks"] == {"20-migrate.sh": expected}


def test_a_section_declares_the_variables_that_it_names() -> None:
    toml = """
        [env.LOGIN]
        default = "admin"
        [htpasswd]
        username = "LOGIN"
        password = "PASSWORD"
    """
    parsed = parse(toml)
    assert parsed["env"] == {
        "LOGIN": {"default": "admin", "file": True},
        "PASSWORD": {"secret": True},
    }
    assert parsed["sections"]["htpasswd"] == {
        "username": "LOGIN", "password": "PASSWORD", "users": None, "entries": None,
        "file": "htpasswd", "option": "",
    }  # fmt: skip


def test_what_runs_once_is_remembered_in_a_journal_or_a_database() -> None:
    assert parse('[once]\njournal = "/data/once"')["once"]["journal"] == "/data/once"
    with_database = parse('[once]\ndatabase = "URL"')
    assert with_database["once"] == {"journal": "", "database": "URL"}
    assert with_database["env"] == {"URL": {"secret": True}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[once]", "once.journal: is missing"),
        ('[once]\njournal = "/j"\ndatabase = "URL"', "once.database: there is a journal already"),
        ('[once]\njournal = "j"', "once.journal: expected an absolute path"),
        ('[once]\njournal = "/j/../k"', "once.journal: expected an absolute path"),
        ('[once]\njournal = "/"', "once.journal: expected an absolute path"),
        ('[once]\ndatabase = "a-b"', "once.database: expected the name of a variable"),
        ('[once]\ndirectory = "/j"', "unknown key once.directory"),
    ],
)
def test_a_mistake_in_once_is_told(text: str, message: str) -> None:
    assert message in problem(text)


@pytest.mark.parametrize("suffix", ["sql", ".", "", ".a/b", "a.b"])
def test_a_runner_needs_a_suffix(suffix: str) -> None:
    assert "is no suffix of a file name" in problem(f"runners.'{suffix}' = ['x']")


@pytest.mark.parametrize("name", ["1A", "A-B", "A B", "", "É"])
def test_a_declared_variable_needs_the_name_of_one(name: str) -> None:
    assert "is not the name of a variable" in problem(f"[env.'{name}']")


KEYS = st.sampled_from(["program", "env", "a", "a b", 'a"b', "a'b", "ä", "", "a.b", "a\nb", "[x]"])


def _toml_key(key: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in key) + '"'


@given(st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=3), st.integers(0, 3))))
def test_any_keys_give_a_configuration_or_problems_and_never_a_defect(
    entries: list[tuple[list[str], int]],
) -> None:
    values = ("1", "'x'", "[]", '"""\n[env]\n"""')
    lines = [f"{'.'.join(map(_toml_key, path))} = {values[value]}" for path, value in entries]
    with contextlib.suppress(StartError):
        parse("\n".join(lines))
