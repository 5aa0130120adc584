"""Whatever lies in an image, or is given to it, ends in a start or in errors that name it.

`ENTRYKIT_FUZZ` says how many cases of each kind there are, 100 if not given. What raises anything
but StartError here is a defect, which a start reports with status 70.
"""

import contextlib
import datetime as dt
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.settings import configuration, hook, options, schema, typed
from entrykit.settings.sections import SECTIONS
from entrykit.steps import changes, discover, environment, kinds, search, sources
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment
from entrykit.system import errors, files, log
from entrykit.system.errors import StartError

CASES = int(os.environ.get("ENTRYKIT_FUZZ", "100"))
MANY = hypothesis.settings(
    max_examples=CASES, suppress_health_check=list(hypothesis.HealthCheck), print_blob=True
)
SECRET = b"HUSH"

ODD_TEXT = st.text(
    st.sampled_from("aZ09_-./:=,;#'\"\\${}[]()*?%! \t\n\r\0\x1b\x7fé\u2028\ufeff\U0001f600"),
    max_size=12,
)
ODD_BYTES = st.binary(max_size=12) | ODD_TEXT.map(lambda text: text.encode())
PATHS = ["/", "/no", "/srv/x", "/dev/null", "/proc/self/mem", ".", "..", "~"]
WORDS = [
    *PATHS, "", "5s", "1h", "0", "-1s", "1e400", "022", "0o22", "99999", "app:app", "0:0", "TERM",
    "SIGKILL", "HUP", "any", "A", "B", "C", "int", "url", "fail", "redo", "$A${B}", "${", "\0",
    "\n", "\x1b[2J", "é\u2028\ufeff", "x" * 300, "4294967295", "-1", "[0-9]+", "(", "10-a.sh",
    "..sh", ".sql",
]  # fmt: skip
SCALARS = [
    *WORDS, True, False, 0, 1, -1, 2**31, 2**65, -(2**65), 0.5, -0.0, 1e300, float("inf"),
    float("nan"), dt.date(1, 1, 1), dt.time(1), dt.datetime(9, 9, 9, tzinfo=dt.UTC),
]  # fmt: skip
INNER = [[], [[]], {}, {"A": {}}, ["A", 1], ["/no", "/no"], ["", "x"], {"default": []}, [{}, {}]]
# Sampled, not built: of a structure, ten thousand cases are to take a minute or two.
VALUES = st.sampled_from([*SCALARS, *INNER, *([one] for one in SCALARS)]) | ODD_TEXT
NAMES = st.sampled_from(["A", "B", "C", "PASSWORD", "APP_PORT", "ENTRYKIT_X", "1A"]) | ODD_TEXT
PLAIN: dict[str, Any] = {
    "type": st.sampled_from(list(typed.TYPES)), "default": st.sampled_from(["${A}x", "1", "$B"]),
    "secret": st.booleans(), "required": st.booleans(), "choices": st.just(["1", "x"]),
    "exclusive": st.sampled_from(["g", "h"]), "deprecated": st.lists(NAMES, max_size=2),
    "pattern": st.sampled_from(["[0-9]+", "(", "(a+)+b"]), "required-with": NAMES,
    "program": st.just(["x", ""]), "umask": st.sampled_from(["022", "777", "0", "8"]),
    "env-dirs": st.just(["/no"]), "env-files": st.just(["/no", "/no"]),
    "stop-signals": st.lists(st.sampled_from(["HUP", "RTMIN", "64", "KILL"]), max_size=2),
    "init": st.booleans(), "no-new-privileges": st.booleans(),
    "user": st.sampled_from(["app", "1500:33", "0:0", "app:", ":33", "01", "+1", "4294967295"]),
}  # fmt: skip


def tables(keys: "list[str]", most: int = 5) -> "st.SearchStrategy[dict[str, Any]]":
    """Return tables of these keys and others, with values that fit and others."""
    known = [st.tuples(st.just(key), PLAIN.get(key, VALUES) | VALUES) for key in keys]
    pairs: list[st.SearchStrategy[tuple[str, Any]]] = [*known, st.tuples(ODD_TEXT, VALUES)]
    return st.lists(st.one_of(pairs), max_size=most).map(dict)


DOCUMENTS = st.builds(
    lambda top, env, hooks, sections, runners: (
        top | {"env": env, "hooks": hooks, "runners": runners} | sections
    ),
    tables(list(schema.TOP)),
    st.dictionaries(NAMES, tables(list(schema.VARIABLE)), max_size=4),
    st.dictionaries(
        ODD_TEXT | st.just("10-a.sh"),
        tables(["timeout", "secrets", "on-error", "once", "on-interrupted", "makes", "user"]),
        max_size=2,
    ),
    st.lists(
        st.one_of(
            [
                st.tuples(st.just(name), tables(list(section.keys)))
                for name, section in (*SECTIONS.items(), ("once", schema.ONCE))
            ]
        ),
        max_size=2,
    ).map(dict),
    st.dictionaries(ODD_TEXT | st.just(".sql"), VALUES, max_size=2),
)


def toml(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def as_file(document: dict[str, Any]) -> bytes:
    """Return a TOML file; an astral character is no pair of surrogates there."""
    lines = (f"{toml(key)} = {toml(value)}\n" for key, value in document.items())
    return "".join(lines).encode().replace(b"\\ud83d\\ude00", "\U0001f600".encode())


@contextlib.contextmanager
def only_start_errors(*, secret: bytes = SECRET) -> Iterator[None]:
    """Let through nothing but errors that end a start as a start says it."""
    lines: list[str] = []
    refusals: list[StartError] = []
    log.keep(lines)
    log.set_level(log.DEBUG)
    try:
        yield
    except StartError as error:
        refusals.append(error)
        log.report(error)
    finally:
        log.keep(None)
    for refusal in refusals:
        assert refusal.status in (errors.USAGE, errors.CONFIG)
        assert refusal.problems
    for line in lines:
        assert line.isprintable(), line
        assert line.strip(": ")
        assert secret.decode() not in line


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory of one case."""
    place = Path(tempfile.mkdtemp())
    try:
        yield place
    finally:
        shutil.rmtree(place)


def use(content: bytes, entries: list[bytes]) -> None:
    """Take a configuration as far as a start without hooks goes with it."""
    parsed = configuration.parse(content, "e.toml")
    document = tomllib.loads(content.decode())
    assert parsed["no_new_privileges"] is document.get("no-new-privileges", False)
    assert parsed["init"] is document.get("init", False)
    assert parsed["user"] == document.get("user", "")
    for part in parsed["user"].split(":") if parsed["user"] else ():
        assert part == "".join(part.split())
        assert part
        if part.isascii() and part.isdigit():
            assert str(int(part)) == part
            assert int(part) < 2**32 - 1
    assert parsed["umask"] is None or 0 <= parsed["umask"] <= 0o777
    # What it names lies on this machine, and may be endless.
    parsed["env_dirs"], parsed["env_files"] = [], []
    this, settings = Environment(entries), Settings({}, parsed)
    assert settings.program == [word.encode() for word in parsed["program"]]
    secrets = environment.resolve(this, parsed)
    environment.hide_from_command(this, parsed, secrets)
    for name in secrets:
        assert this.get(name) is None or parsed["env"][name.decode()]["expose"]


ENTRIES = st.lists(
    st.tuples(NAMES, ODD_BYTES).map(lambda pair: pair[0].encode() + b"=" + pair[1]) | ODD_BYTES,
    max_size=5,
).map(lambda entries: [entry.replace(b"\0", b"") for entry in entries])


@MANY
@given(document=DOCUMENTS, entries=ENTRIES)
def test_a_configuration_of_any_structure_is_used_or_refused(
    document: dict[str, Any], entries: list[bytes]
) -> None:
    with only_start_errors():
        use(as_file(document), entries)


# Of the documents above hardly one in forty is used, and none that declares a variable. These are
# made of what fits, so that what comes after the checks has its turn; a slip may be among it.
FITTING: dict[str, list[Any]] = {
    "program": ["x", ["x", "-v", ""]], "commands": [["*"], ["sh", "/x"]],
    "umask": ["022", "0", "777"], "timeout": ["5m", 0.5, "90"], "grace": ["1s", 0],
    "stop-signals": [["HUP", "RTMIN+3"], ["37"]], "forward": ["child", "group"],
    "rewrite": [["TERM=QUIT", "USR1=0"], ["RTMIN+1=KILL"]], "ok-status": [[0, 255], [143]],
    "parent-death-signal": ["TERM", "KILL"], "trust": ["any"], "env-dirs": [["/no"]],
    "env-files": [["/no", "/no/x"]],
}  # fmt: skip
RULES: list[dict[str, Any]] = [
    {"type": "str", "min": 2, "max": "6"}, {"type": "int", "min": -1}, {"type": "float", "max": 9},
    {"type": "bool"}, {"type": "enum", "choices": ["1", "x"]}, {"type": "url"},
    {"type": "host-port"}, {"type": "port"}, {"type": "path"}, {"type": "duration", "max": "1h"},
    {"type": "size", "min": "1k"}, {"type": "json"}, {"type": "regex"}, {"pattern": "(H|1|x).*"},
]  # fmt: skip
WAYS: list[dict[str, Any]] = [
    {"secret": True}, {"secret": True, "deprecated": ["OLD_"]}, {"secret": True, "expose": True},
    {"secret": True, "deprecated": ["OLD_"]}, {"secret": True, "required": True}, {"file": True},
    {"required": True}, {"required-with": "B"}, {"exclusive": "g"}, {"exclusive": "g"},
    {"deprecated": ["OLD_"]}, {"default": "1"}, {"default": "${B}x"}, {"default": "$${${C}"},
    {"help": "what it is\nfor"},
]  # fmt: skip
FITTING_TABLES: dict[str, list[Any]] = {
    "runners": [{".sql": ["psql", "-f"]}],
    "hooks": [
        {"10-a.sh": {"timeout": "5m", "secrets": ["A"], "on-error": "continue", "user": "0:0"}},
        {"10-a.sh": {"once": "a", "on-interrupted": "redo", "makes": ["/srv/x"]}},
    ],
    "once": [{"journal": "/srv/x"}, {"database": "C"}],
    "wait": [{"targets": ["tcp://db:5432", "${A}"], "timeout": 1}],
    "limits": [{"set": ["GOMAXPROCS"], "cpus": ["CPUS"]}],
    "htpasswd": [{"username": "A", "password": "PASSWORD"}, [{"users": "B"}, {"entries": "C",
                                                                          "file": "/srv/x"}]],
    "templates": [{"from": "/no", "to": "/srv/x", "secrets": ["A"]}],
    "owner": [{"directories": ["/srv/x"], "uid": "PUID", "gid": "PGID"}],
}  # fmt: skip
FITTING_NAMES = ("A", "B", "C", "PASSWORD", "APP_PORT")
FITTING_VALUES = [b"", b"1", b"x", b"8080", b"true", b"http://u:p@h/", b"h:1", b"/x", b"5s", b"2k",
                  b"{}", b"(", b"\xff", b"tcp://10.0.0.1:80", b"HUSH", b"x" * 70]  # fmt: skip


def some(known: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables with some of these keys, each with one of its values."""
    pairs = [(key, value) for key, values in known.items() for value in values]
    return st.lists(st.sampled_from(pairs), max_size=3).map(dict)


def declared(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return declarations of a variable; its deprecated names are its own."""
    return st.builds(
        lambda rule, ways: {
            key: [f"OLD_{name}"] if key == "deprecated" else value
            for table in (rule, *ways)
            for key, value in table.items()
        },
        st.sampled_from([{}, *RULES]),
        st.lists(st.sampled_from(WAYS), max_size=2),
    )


FITTING_DOCUMENTS = st.builds(
    lambda top, tables, env, slip: top | tables | {"env": env} | slip,
    some(FITTING),
    some(FITTING_TABLES),
    st.fixed_dictionaries({name: declared(name) for name in FITTING_NAMES}),
    st.just({}) | st.just({}) | st.dictionaries(st.sampled_from(list(schema.TOP)), VALUES),
)
SPELLINGS = ("{}", "{}", "OLD_{}", "OLD_{}", "{}_FILE", "OLD_{}_FILE")
GIVEN = st.lists(
    st.builds(
        lambda spelling, name, value: (spelling.format(name), value),
        st.sampled_from(SPELLINGS),
        st.sampled_from([*FITTING_NAMES, "PASWORD", "APP_SERVICE_HOST"]),
        st.sampled_from(FITTING_VALUES) | ODD_BYTES.map(lambda value: value.replace(b"\0", b"")),
    ),
    max_size=6,
).map(dict)


def secret_names(document: dict[str, Any], *, exposed: bool) -> set[str]:
    """Return the names under which a document's secrets can be given, or those the command gets."""
    return {
        spelling
        for name, table in document["env"].items()
        if table.get("secret") and (table.get("expose") or not exposed)
        for spelling in (name, *table.get("deprecated", ()))
    }


def test_a_configuration_that_mostly_fits_gives_the_command_no_secret() -> None:
    taken: list[dict[str, Any]] = []

    @MANY
    @given(document=FITTING_DOCUMENTS, given_values=GIVEN, is_open=st.booleans())
    def gives_none(
        document: dict[str, Any], given_values: dict[str, bytes], *, is_open: bool
    ) -> None:
        secrets = secret_names(document, exposed=False)
        # All that is given as a secret holds it, and a path that is none may be it by mistake.
        entries = [
            name.encode()
            + b"="
            + (SECRET if name.removesuffix("_FILE") in secrets else b"")
            + value
            for name, value in given_values.items()
            if value != SECRET
        ]
        with only_start_errors():
            parsed = configuration.parse(as_file(document), "e.toml")
            taken.append(document)
            parsed["env_dirs"], parsed["env_files"] = [], []
            this = Environment(entries)
            held = environment.resolve(this, parsed) if is_open else set()
            environment.hide_from_command(this, parsed, held)
            shown = {name for name, value in this.plain().items() if SECRET in value}
            allowed = secret_names(document, exposed=True)
            assert {name.decode() for name in shown} <= allowed

    gives_none()
    # Else it has lost its purpose.
    assert sum(bool(document["env"]) for document in taken) > CASES // 10


SAMPLES = (
    b"""program = "x"
umask = "022"
[env.A]
secret = true
[env.B]
type = "int"
default = 2
[hooks.'10-a.sh']
timeout = 3
[runners]
'.sql' = ['psql']
""",
    b"""[htpasswd]
username = "A"
password = "B"
file = "f"
[[env.C]]
[owner]
[templates]
""",
)


@MANY
@given(
    sample=st.sampled_from(SAMPLES),
    cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), ODD_BYTES), max_size=4),
)
def test_a_configuration_of_any_bytes_is_used_or_refused(
    sample: bytes, cuts: list[tuple[int, int, bytes]]
) -> None:
    for position, length, instead in cuts:
        sample = sample[:position] + instead + sample[position + length :]
    with only_start_errors():
        use(sample, [])


FILE_NAMES = (
    st.binary(min_size=1, max_size=20)
    | st.binary(min_size=250, max_size=255)
    | st.builds(
        lambda number, middle, suffix: number + middle + suffix,
        st.sampled_from([b"", b"10-", b"9-", b"010-", b"99999999999999999999-"]),
        ODD_BYTES,
        st.sampled_from(
            [b".sh", b".envsh", b".py", b".sql", b"~", b".md", b"", b".SH", b".dpkg-x"]
        ),
    )
).map(lambda name: name.replace(b"/", b"").replace(b"\0", b"")[:255])
COMMENTS = st.lists(
    st.sampled_from(
        ["timeout=5s", "secrets=A,B", "on-error=continue", "once=x", "makes=/data", "user=0",
         "timeout=", "=", "secrets=,", "on-interrupted=redo", "timeout=1e9", "once=../x"]
    )
    | ODD_TEXT,
    max_size=4,
).map(" ".join)  # fmt: skip
HEADS = st.sampled_from(
    [b"#!/bin/sh\n", b"#!/bin/sh\r\n", b"#!", b"#!/no/such\n", b"#!/usr/bin/env sh\n", b"", b"\n",
     b"\xef\xbb\xbf#!/bin/sh\n", b"\x7fELF", b"\x7fELF\2\1\1" + bytes(11) + b"\x3e\0", b"MZ",
     b"#! \n", b"#!/bin/s\0h\n", b"#!/usr/bin/env -S\n", b"\x7fELF\2\2"]
)  # fmt: skip
CONTENTS = st.builds(
    lambda head, mark, comment, rest: head + mark + b"entrykit: " + comment.encode() + b"\n" + rest,
    HEADS,
    st.sampled_from([b"# ", b"// ", b"-- ", b"#", b" "]),
    COMMENTS,
    ODD_BYTES,
) | (HEADS | ODD_BYTES)
FILES = st.dictionaries(
    FILE_NAMES,
    st.tuples(CONTENTS, st.sampled_from([0o755, 0o644, 0, 0o7777, 0o111])),
    max_size=4,
)


def put(place: Path, found: dict[bytes, tuple[bytes, int]]) -> None:
    """Write files and links by their names, but for those that a file system refuses."""
    for name, (content, mode) in found.items():
        path = os.path.join(os.fsencode(place), name)
        try:
            if mode == 0 and content:
                os.symlink(content.replace(b"\0", b"")[:200] or b"x", path)
                continue
            with open(path, "xb") as file:
                file.write(content)
            os.chmod(path, mode)
        except OSError:
            continue


@MANY
@given(found=FILES, table=st.dictionaries(st.just("10-a.sh"), st.just({"timeout": 3.0})))
def test_a_hook_directory_of_any_files_is_run_or_explained(
    found: dict[bytes, tuple[bytes, int]], table: dict[str, Any]
) -> None:
    with scratch() as place, only_start_errors():
        put(place, found)
        parsed = configuration.parse(b"[runners]\n'.sql' = ['cat']\n", "e.toml")
        parsed["hooks"] = table
        settings = Settings({"hooks": os.fsencode(place)}, parsed)
        listings = search.search(settings)
        result = discover.discover(settings, listings, b"/usr/bin:/bin")
        names = [one.name for one in result.hooks]
        told = {name for name, *_ in result.skipped} | set(names)
        told_shown = {where for where, *_ in result.problems} | set(map(log.text, told))
        for name in os.listdir(os.fsencode(place)):
            is_told = log.text(name) in told_shown or discover.is_passed_over(name)
            assert is_told or os.path.isdir(os.path.join(os.fsencode(place), name))
        assert len(names) == len(set(names))
        for one in result.hooks:
            assert one.kind in (kinds.PROGRAM, kinds.SOURCED, kinds.PYTHON)
            assert bool(one.words) == (one.kind != kinds.PYTHON)
            # Nothing but what stands there, or a shell or runner that it names, is run.
            assert one.path == os.path.join(os.fsencode(place), one.name)
            assert one.kind != kinds.PROGRAM or one.words[-1] == one.path
            assert one.timeout_seconds is None or one.timeout_seconds >= 0
        discover.report(result, settings)


@MANY
@given(comment=COMMENTS)
def test_a_settings_comment_of_any_text_is_used_or_refused(comment: str) -> None:
    settings, problems = hook.from_comment(comment)
    for message, mend in problems:
        assert message
        assert isinstance(mend, str)
    assert all(not name.startswith("ENTRYKIT_") or name for name in settings.get("secrets", ()))
    assert all(path.startswith("/") for path in settings.get("makes", ()))
    assert "/" not in settings.get("once", "")


ENVDIR = st.dictionaries(
    st.sampled_from([b"PASSWORD", b"A", b"B", b"OLD", b"A_FILE", b"..data", b"ENTRYKIT_LOG"])
    | FILE_NAMES,
    st.tuples(
        ODD_BYTES.map(lambda content: SECRET + content) | st.just(b"") | st.just(b"\0"),
        st.sampled_from([0o644, 0o600, 0]),
    ),
    max_size=4,
)
DECLARED = (
    b"",
    b"[env.PASSWORD]\nsecret = true\nexpose = true\n[env.A]\ntype = 'int'\ndeprecated = ['OLD']\n",
    b"[env.A]\nsecret = true\npattern = '[A-Z]+'\n[env.B]\ndefault = '${A}'\nsecret = true\n",
)


@MANY
@given(found=ENVDIR, declared=st.sampled_from(DECLARED), entries=ENTRIES)
def test_an_env_dir_of_any_files_gives_secrets_or_is_refused(
    found: dict[bytes, tuple[bytes, int]], declared: bytes, entries: list[bytes]
) -> None:
    with scratch() as place, only_start_errors():
        put(place, found)
        parsed = configuration.parse(b"env-dirs = ['%s']\n" % os.fsencode(place) + declared, "e")
        this = Environment(entries)
        before = this.plain()
        secrets = environment.resolve(this, parsed)
        for name, value in this.plain().items():
            if SECRET in value and before.get(name) != value:
                assert name in secrets
            assert changes.is_variable_name(name) or name in before
            assert b"\0" not in value
        environment.hide_from_command(this, parsed, secrets)
        for name, value in this.plain().items():
            is_exposed = parsed["env"].get(name.decode("utf-8", "replace"), {}).get("expose")
            assert SECRET not in value or is_exposed or before.get(name) == value


LINES = st.lists(
    st.builds(
        lambda name, middle, value: name.encode() + middle + value,
        NAMES,
        st.sampled_from([b"=", b" = ", b"", b"=="]),
        ODD_BYTES,
    )
    | ODD_BYTES,
    max_size=5,
).map(b"\n".join)


@MANY
@given(content=LINES, entries=ENTRIES)
def test_an_env_file_of_any_bytes_is_used_or_refused(content: bytes, entries: list[bytes]) -> None:
    with scratch() as place, only_start_errors():
        (place / "env").write_bytes(content)
        for _, name, value, problem in sources.parse(content):
            assert problem or (name and b"\0" not in value and b"\n" not in value)
        parsed = configuration.parse(b"env-files = ['%s/env']\n" % os.fsencode(place), "e")
        this = Environment(entries)
        environment.resolve(this, parsed)
        assert not [name for name in this.names() if name.startswith(b"ENTRYKIT_LOG")]


ASKED = st.dictionaries(
    st.sampled_from([b"A", b"PATH", b"ENTRYKIT_ENV", b"LD_PRELOAD", b"1", b"0"]) | FILE_NAMES,
    st.tuples(
        ODD_BYTES | st.just(b"x" * (changes.STRING_LIMIT_BYTES + 1)),
        st.sampled_from([0o644, 0o600, 0]),
    ),
    max_size=3,
)


@pytest.mark.parametrize("kind", changes.KINDS)
def test_what_a_hook_asks_for_with_any_files_is_done_or_refused(
    runtime_directory: bytes, kind: str
) -> None:
    @hypothesis.settings(MANY, max_examples=max(1, CASES // len(changes.KINDS)))
    @given(found=ASKED)
    def is_done_or_refused(found: dict[bytes, tuple[bytes, int]]) -> None:
        directories = changes.Directories()
        directories.make()
        try:
            with only_start_errors():
                path = directories.variables[b"ENTRYKIT_" + kind.upper().encode()]
                put(Path(os.fsdecode(path)), found)
                asked, _ = directories.read()
                for name in (*asked.set, *asked.unset):
                    assert changes.is_variable_name(name)
                    assert not name.startswith(b"ENTRYKIT_")
                words = [*asked.options, *asked.args, *(asked.command or ())]
                assert all(b"\0" not in one for one in (*words, *asked.set.values()))
        finally:
            directories.close()

    is_done_or_refused()
    assert not os.path.exists(runtime_directory)


@MANY
@given(
    variables=st.dictionaries(
        st.sampled_from([*(f"ENTRYKIT_{name.upper()}" for name, *_ in options.SETTINGS)])
        | ODD_TEXT.map("ENTRYKIT_{}".format),
        ODD_BYTES,
        max_size=3,
    ),
    words=st.lists(
        st.sampled_from([f"--{name}" for name, *_ in options.SETTINGS]).map(str.encode)
        | ODD_BYTES.map(lambda word: word.replace(b"\0", b"")),
        max_size=4,
    ),
)
def test_variables_and_options_of_any_bytes_are_used_or_refused(
    variables: dict[str, bytes], words: list[bytes]
) -> None:
    from entrykit.settings import record

    with only_start_errors():
        told = options.read_variables((name.encode(), value) for name, value in variables.items())
        more, rest = options.read_options(words)
        told |= more
        assert words[len(words) - len(rest) :] == rest
        options.check(told)
        options.log_level(told)
        Settings(told, record.empty())


def test_the_harness_notices_what_is_no_start_error() -> None:
    with pytest.raises(ZeroDivisionError), only_start_errors():
        raise ZeroDivisionError
    with pytest.raises(AssertionError), only_start_errors():
        log.info(f"it is {SECRET.decode()}")
    with only_start_errors():
        files.read(b"/", 1)
