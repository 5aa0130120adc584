"""Which variables a Jinja2 template uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrykit.lint import jinja


@pytest.mark.parametrize(
    "template",
    [
        "\n{{ A }}",
        '\n{{ A | default("x") }}',
        '\n{{ env["A"] }}',
        "\n{{ env.A }}",
        '\n{{ secret("A") }}',
        '\n{{ env.get("A", "x") }}',
        '\n{% if "A" in env %}{% endif %}',
        '\n{% if "A" not in env %}{% endif %}',
        "\n{% if A %}{% endif %}",
        "\n{% for x in A.split() %}{{ x }}{% endfor %}",
        "{% set b = 1 %}\n{{ A | nginx_quote }}{{ b }}",
    ],
)
def test_what_a_template_uses_is_found_with_its_line(template: str) -> None:
    assert jinja.uses(template.encode()) == ([("A", 2)], [])


@pytest.mark.parametrize(
    "template",
    ["", "A", "{# {{ A }} #}", "{{ range(3) }}", '{{ file("/x") }}', "{{ env.items() }}"],
)
def test_what_is_no_variable_is_not(template: str) -> None:
    assert jinja.uses(template.encode()) == ([], [])


def test_a_lower_case_variable_of_the_environment_is_one() -> None:
    assert jinja.uses(b"{{ env.port }}{{ env.keys() }}") == ([("port", 1)], [])


def test_a_fault_has_its_line() -> None:
    uses, ((line, message),) = jinja.uses(b"a\n{% if %}\n")
    assert (uses, line) == ([], 2)
    assert message


@given(st.lists(st.sampled_from(["{{", "}}", "{%", "%}", " if ", "a", ".", "(", "'", "\n", "for"])))
def test_any_text_can_be_looked_into(pieces: list[str]) -> None:
    jinja.uses("".join(pieces).encode())


def test_a_template_that_is_nested_without_end_is_a_fault() -> None:
    assert jinja.uses(b"{{ " + b"(" * 100_000)[1]
