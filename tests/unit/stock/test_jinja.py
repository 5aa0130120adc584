"""What `*.j2` files become, what is missing in them, and what their errors say."""

import base64
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.stock import filters, rendering
from entrykit.system.errors import StartError

DOCS = Path(__file__).parents[3] / "docs" / "templates.md"
HUSH = "hush-hush"


class Templates:
    """A directory of templates, and the variables that they are rendered with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.variables: dict[bytes, bytes] = {b"A": b"1", b"EMPTY": b"", b"SECRET": HUSH.encode()}
        self.hidden = [HUSH.encode()]
        self.problems: list[tuple[str, str, str]] = []

    def add(self, name: str, text: str | bytes) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def __call__(self, *texts: str | bytes) -> bytes:
        """Render texts as `0.j2`, `1.j2` …; return what the last one becomes."""
        problems = rendering.Problems()
        given = rendering.Given(self.variables, self.find_secret, self.hidden)
        raw = os.fsencode(self.directory)
        this = rendering.Rendering(raw, given, problems, "", "")
        rendered = b""
        for number, text in enumerate(texts):
            self.add(f"{number}.j2", text)
            rendered = this.read_and_render(b"%s/%d.j2" % (raw, number), rendering.JINJA)
        self.problems = [
            (place.removeprefix(f"{self.directory}/"), message, hint)
            for place, message, hint in problems.all()
        ]
        return rendered

    def find_secret(self, name: str) -> bytes | None:
        if name == "OTHER":
            raise StartError("OTHER is nobody's business", hint="ask another")
        return self.variables.get(name.encode())

    def said(self, *texts: str) -> list[str]:
        """Render texts, and return places and messages of what is wrong."""
        self(*texts)
        return [f"{place}: {message}" for place, message, _ in self.problems]


@pytest.fixture
def render(tmp_path: Path) -> Templates:
    """Return an empty directory of templates."""
    (tmp_path / "from").mkdir()
    return Templates(tmp_path / "from")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ A }}\n", b"1\n"),
        ("{{ A }}", b"1"),
        ("{{ env.A }}{{ env['A'] }}", b"11"),
        ("{{ EMPTY }}.", b"."),
        ("{{ NONE | default('x') }}{{ NONE is defined }}", b"xFalse"),
        ("{{ EMPTY | default('x', true) }}", b"x"),
        ("{{ '<&>' }}", b"<&>"),
        ("{% if A == '1' %}yes{% endif %}", b"yes"),
        ("{{ secret('SECRET') }}", HUSH.encode()),
        ("{{ A | required('why') }}", b"1"),
        ("$A ${A} $host", b"$A ${A} $host"),
        ("{% if false %}{{ NONE }}{% endif %}", b""),
        ("{% if A == '2' %}{{ [][5] }}{{ '' | required('x') }}{{ none | tojson }}{% endif %}", b""),
    ],
)
def test_variables_stand_where_a_template_wants_them(
    render: Templates, text: str, expected: bytes
) -> None:
    assert (render(text), render.problems) == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff{{ RAW }}\0", b"\xff\xfe\x80\0"),
        (b"a\r\n{{ A }}\r\n", b"a\r\n1\r\n"),
        (b"a\r\n{{ A }}\n", b"a\n1\n"),
        (b"\xef\xbb\xbf{{ A }}", b"\xef\xbb\xbf1"),
        (b"{{ RAW | b64encode | b64decode }}", b"\xfe\x80"),
        (b"{{ RAW | shell_quote }}", b"'\xfe\x80'"),
    ],
)
def test_bytes_that_are_no_utf_8_pass_through(
    render: Templates, text: bytes, expected: bytes
) -> None:
    render.variables[b"RAW"] = b"\xfe\x80"
    assert (render(text), render.problems) == (expected, [])


def test_a_variable_does_not_hide_a_function(render: Templates) -> None:
    for name in (b"env", b"file", b"secret", b"range", b"dict"):
        render.variables[name] = b"a variable"
    text = "{{ env.range }} {{ range(2) | list }} {{ secret('A') }} {{ env['file'] }}"
    assert (render(text), render.problems) == (b"a variable [0, 1] 1 a variable", [])


USES = (
    "{{ NONE }}", "{{ NONE.x }}", "{{ NONE['x'] }}", "{{ NONE() }}", "{{ NONE + 1 }}",
    "{{ 1 + NONE }}", "{{ -NONE }}", "{{ NONE ~ 'x' }}", "{{ NONE | upper }}", "{{ NONE | int }}",
    "{{ NONE | float }}", "{{ NONE | length }}", "{{ NONE | tojson }}", "{{ [NONE] | tojson }}",
    "{{ NONE | b64encode }}", "{{ NONE | b64decode }}", "{{ NONE | shell_quote }}",
    "{{ NONE | nginx_quote }}", "{{ NONE | yaml_quote }}", "{{ NONE | join(',') }}",
    "{{ NONE | sort }}", "{{ NONE | default(NONE) }}", "{{ '%s' % NONE }}", "{{ 'x' in NONE }}",
    "{% for i in NONE %}{% endfor %}", "{% if NONE %}{% endif %}",
    "{% if NONE == 'x' %}{% endif %}",
    "{% if NONE > 1 %}{% endif %}", "{% if not NONE %}{% endif %}", "{{ env.NONE }}",
    "{{ env['NONE'] }}", "{{ secret('NONE') }}", "{{ {NONE: 1} }}", "{{ NONE | required }}",
    "{% set x = NONE %}{{ x }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(NONE) }}",
)  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_each_use_of_what_is_not_set_is_missing_and_rendering_goes_on(
    render: Templates, use: str
) -> None:
    said = render.said(f"\n{use}\n\n{{{{ LAST }}}}")
    assert [line for line in said if not line.startswith("0.j2:2: ")] == ["0.j2:4: LAST is not set"]
    assert "0.j2:2: NONE is not set" in said
    assert len(said) == 2


def test_all_that_is_missing_in_all_templates_is_said_with_its_lines(render: Templates) -> None:
    assert render.said("{{ X }}\n{{ Y }}", "{{ A }}\n\n{{ X }}{{ X }}\n{{ X }}") == [
        f"0.j2:1: X is not set (also {render.directory}/1.j2:3, {render.directory}/1.j2:4)",
        "0.j2:2: Y is not set",
    ]
    assert all("default" in hint for _, _, hint in render.problems)


def test_a_name_that_is_missing_everywhere_has_one_line(render: Templates) -> None:
    (line,) = render.said("{{ X }}\n" * 50)
    assert line.count("0.j2:") == 10
    assert line.endswith(" and 40 more)")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("{{ NONE | required('say who') }}", "NONE is not set: say who"),
        ("{{ env.NONE | required('say who') }}", "NONE is not set: say who"),
        ("{{ EMPTY | required('say who') }}", "say who"),
        ("{{ '' | required('say who') }}", "say who"),
        ("{{ none | required }}", "a value that is required is not set"),
        ("{{ EMPTY | required }}", "a value that is required is not set"),
    ],
)
def test_what_is_required_says_its_message(render: Templates, use: str, message: str) -> None:
    assert render.said(f"\n{use}") == [f"0.j2:2: {message}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n{% if %}", "0.j2:2: Expected an expression, got 'end of statement block'"),
        ("{{ A", "0.j2:1: unexpected end of template"),
        ("\n\n{{ A | nope }}", "0.j2:3: No filter named 'nope'."),
        ("{% if A %}\n", "0.j2:1: Unexpected end of template."),
        ("\n{{ A + 1 }}", '0.j2:2: can only concatenate str (not "int") to str'),
        ("\n{% set a, b = A.split() %}", "0.j2:2: not enough values to unpack (expected 2, got 1)"),
        ("\n{{ 1 / 0 }}", "0.j2:2: division by zero"),
        (
            "\n{{ NONE in 'ab' }}",
            "0.j2:2: 'in <string>' requires string as left operand, not a name",
        ),
        ("\n{{ NONE | abs }}", "0.j2:2: bad operand type for abs(): 'a name that is not set'"),
        ("\n{{ A.nope }}", "0.j2:2: 'str object' has no attribute 'nope'"),
        ("\n{{ 'a$b' | nginx_quote }}", "0.j2:2: nginx has no way to write a literal $"),
        ("\n{{ '\0' | nginx_quote }}", "0.j2:2: nginx has no way to write a NUL byte"),
        ("\n{{ '\0' | shell_quote }}", "0.j2:2: a shell has no way to write a NUL byte"),
        ("\n{{ '&' | b64decode }}", "0.j2:2: the value is no Base64"),
        ("\n{{ range | tojson }}", "0.j2:2: JSON has no type"),
        ("\n{{ secret('OTHER') }}", "0.j2:2: OTHER is nobody's business"),
        ("\n{{ A.encode(SECRET) }}", "0.j2:2: ends in LookupError"),
        ("\n{{ [][5] }}{{ A.index('x') }}", "0.j2:2: list object has no element 5"),
        ("\n{% include 'nope' %}", "0.j2:2: cannot find the template nope"),
        ("\n{% include '../out' %}", "0.j2:2: cannot find the template ../out"),
        ("\n{% include '/etc/passwd' %}", "0.j2:2: cannot find the template /etc/passwd"),
        ("\n{% include '0.j2' %}", "0.j2:2: ends in RecursionError"),
    ],
)
def test_an_error_says_file_line_and_what_it_is(render: Templates, text: str, message: str) -> None:
    (render.directory.parent / "out").touch()
    said = render.said(text)
    assert len(said) == 1
    assert said[0].startswith(message)


@pytest.mark.parametrize(
    "use",
    [
        "{{ env[SECRET] }}", "{{ {}[SECRET] }}", "{{ A.encode(SECRET) }}", "{% include SECRET %}",
        "{{ file(SECRET) }}", "{{ secret(SECRET) }}", "{{ SECRET + 1 }}", "{{ SECRET.x }}",
        "{{ '' | required(SECRET) }}", "{{ A | attr(SECRET) }}", "{{ secret('B') + 1 }}",
        "{{ env[secret('B')] }}", "{{ env[file('pw') | trim] }}", "{{ (SECRET | int)() }}",
        "{{ A[SECRET] }}", "{% extends SECRET %}", "{% import SECRET as x %}",
        "{{ '%d' % SECRET }}",
    ],
)  # fmt: skip
def test_no_message_holds_a_secret(render: Templates, use: str) -> None:
    render.variables[b"B"] = HUSH.encode()
    render.add("pw", f"{HUSH}\n")
    said = render.said(use)
    assert len(said) == 1
    assert said[0].startswith("0.j2:1: ")
    assert HUSH not in str(render.problems)


LONG = f'{HUSH}\n"it\'s" \x07é'


@pytest.mark.parametrize(
    "use",
    [
        "{{ {}[S] }}", "{{ {}[S | upper] }}", "{{ {}[S.split()[0]] }}", "{{ env[S] }}",
        "{{ env[S.split()[0]] }}", "{{ file(S) }}", "{% include S %}", "{{ [1] | map(S) | list }}",
        "{% macro m() %}{% endmacro %}{{ m(**{S: 1}) }}", "{{ [1] | sum(attribute=S) }}",
        "{{ {}['x-' ~ S] }}", "{{ {}[secret('S')] }}", "{{ none | required(S) }}",
    ],
)  # fmt: skip
def test_no_message_holds_a_secret_escaped_or_part_of_it(render: Templates, use: str) -> None:
    """One that is no plain word, and begins with another one."""
    render.variables[b"S"] = LONG.encode()
    render.hidden.append(LONG.encode())
    (said,) = render.said(use)
    assert HUSH not in said.lower()
    assert "it's" not in said.replace("\\", "")


def test_what_a_template_asks_for_by_its_own_word_is_named(render: Templates) -> None:
    """Though it is a part of a secret."""
    for use in ("{{ A.hush }}", "{{ A['hush'] }}", "{{ [A] | sum(attribute='hush.x') }}"):
        assert render.said(use) == ["0.j2:1: 'str object' has no attribute 'hush'"]
    assert render.said("{% for n in ['X', 'hush'] %}{{ env[n] }}{% endfor %}") == [
        "0.j2:1: X is not set",
        "0.j2:1: hush is not set",
    ]
    assert render.said("{{ {}[A ~ 2] }}") == ["0.j2:1: 'dict object' has no attribute '12'"]


def test_what_is_asked_for_by_a_name_that_is_not_set_names_that(render: Templates) -> None:
    for use in ("{{ A[NONE] }}", "{{ secret(NONE) }}", "{{ env[NONE] }}"):
        assert render.said(use) == ["0.j2:1: NONE is not set"]


def test_an_error_in_what_is_included_is_at_its_own_place(render: Templates) -> None:
    render.add("sub/part", "\n{{ NONE }}{{ A }}")
    render.add("broken", "\n\n{% if %}")
    text = "{% include 'sub/part' %}\n{% import 'macros' as m %}{{ m.say() }}{% include 'broken' %}"
    render.add("macros", "{% macro say() %}\n{{ env.NADA }}{% endmacro %}")
    assert render.said(text) == [
        "sub/part:2: NONE is not set",
        "macros:2: NADA is not set",
        "broken:3: Expected an expression, got 'end of statement block'",
    ]


def test_a_file_is_read_from_the_templates_directory_or_anywhere(
    render: Templates, tmp_path: Path
) -> None:
    render.add("sub/data", b"one\n\xff")
    (tmp_path / "out").write_text("two\n")
    text = f"{{{{ file('sub/data') }}}}{{{{ file('{tmp_path}/out') | trim }}}}"
    assert (render(text), render.problems) == (b"one\n\xfftwo", [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "no such file or directory"),
        ("fifo", "it is a FIFO, not a regular file"),
        ("large", "more than 1048576"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_and_never_waited_for(
    render: Templates, name: str, message: str
) -> None:
    os.mkfifo(render.directory / "fifo")
    with (render.directory / "large").open("wb") as file:
        file.truncate((1 << 20) + 1)
    (line,) = render.said(f"\n{{{{ file('{name}') }}}}")
    assert line.startswith(f"0.j2:2: cannot read {render.directory}/{name}: ")
    assert message in line


def examples() -> list[tuple[str, str]]:
    """Return each filter that the page shows, with its result."""
    blocks = re.findall(r"^```jinja\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [
        (text, result) for text, result in (re.split(r"  +(?=\S+)", x, maxsplit=1) for x in lines)
    ]


@pytest.mark.parametrize(("text", "result"), examples())
def test_a_filter_makes_what_the_page_shows(render: Templates, text: str, result: str) -> None:
    assert (render(text), render.problems) == (result.encode(), [])


def test_the_page_shows_each_filter() -> None:
    shown = " ".join(text for text, _ in examples())
    for name in (*filters.FILTERS, "default", "required"):
        assert f"| {name}" in shown


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(TEXT)
def test_what_is_quoted_for_a_shell_is_one_word(text: str) -> None:
    assert shlex.split(filters.shell_quote(text)) == [text]


@pytest.mark.parametrize("text", ["", "a b", "it's", '"$HOME" `id` \\', "a\nb", "*", "~", "é"])
def test_a_shell_reads_back_what_is_quoted_for_it(text: str) -> None:
    words = ["sh", "-c", f"printf %s {filters.shell_quote(text)}"]
    assert subprocess.run(words, capture_output=True, check=True).stdout.decode() == text


@given(st.text())
def test_what_is_quoted_for_yaml_is_a_json_string_in_one_line_of_printable_letters(
    text: str,
) -> None:
    quoted = filters.yaml_quote(text)
    assert json.loads(quoted) == text
    assert quoted.splitlines() == [quoted]


def read_by_nginx(quoted: str) -> str:
    """Read a quoted parameter as ngx_conf_read_token does: its end, then its escapes."""
    assert quoted[0] == quoted[-1] == '"'
    inner = quoted[1:-1]
    assert re.fullmatch(r'(?:[^"\\]|\\.)*', inner, re.DOTALL)
    known = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "'": "'", "\\": "\\"}
    return re.sub(r"\\(.)", lambda it: known.get(it[1], it[0]), inner, flags=re.DOTALL)


@given(TEXT.filter(lambda text: "$" not in text))
def test_what_is_quoted_for_nginx_is_read_back(text: str) -> None:
    assert read_by_nginx(filters.nginx_quote(text)) == text


@given(st.binary())
def test_base64_brings_all_bytes_back(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    encoded = filters.b64encode(text)
    assert encoded == base64.b64encode(raw).decode()
    assert filters.b64decode(encoded) == text


def test_json_is_as_it_is_read_elsewhere() -> None:
    value = {"b": ["<&'>", None, 1.5], "a": "é\n"}
    assert filters.tojson(value) == '{"a": "é\\n", "b": ["<&\'>", null, 1.5]}'
