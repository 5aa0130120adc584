"""A hook's settings in its comment."""

import pytest

from entrykit.settings import hook


@pytest.mark.parametrize(
    ("comment", "settings"),
    [
        ("", {}),
        ("timeout=30s", {"timeout": 30.0}),
        (" timeout=500ms  on-error=continue ", {"timeout": 0.5, "on_error": "continue"}),
        ("on-error=stop", {"on_error": "stop"}),
        ("secrets=A", {"secrets": ["A"]}),
        ("secrets=A,B_1,", {"secrets": ["A", "B_1"]}),
        ("timeout=1 timeout=2", {"timeout": 2.0}),
    ],
)
def test_a_comment_holds_words_with_an_equals_sign(
    comment: str, settings: dict[str, object]
) -> None:
    assert hook.from_comment(comment) == (settings, [])


@pytest.mark.parametrize(
    ("comment", "problem", "mend"),
    [
        ("timeout=soon", "timeout: expected a duration", "30s"),
        ("timeout=", "timeout: expected a duration", "30s"),
        ("timeout=0", "timeout: expected a duration", "30s"),
        ("secrets=", "secrets: expected names of variables", ""),
        ("secrets=A-B", "secrets: expected names of variables", ""),
        ("on-error=ignore", "on-error: expected stop or continue", ""),
        ("timeuot=1", "unknown setting timeuot", "did you mean timeout?"),
        ("xyz=1", "unknown setting xyz", "known are timeout, secrets, on-error"),
        ("timeout", "timeout in its settings comment is not KEY=VALUE", ""),
        ("user=postgres", "user is not available in this version", "leave it out"),
        ("once=initdb", "once is not available in this version", "leave it out"),
    ],
)
def test_a_mistake_in_a_comment_is_told(comment: str, problem: str, mend: str) -> None:
    settings, ((message, hint),) = hook.from_comment(comment)
    assert settings == {}
    assert problem in message
    assert mend in hint


def test_all_mistakes_of_a_comment_are_told() -> None:
    settings, problems = hook.from_comment("x timeout=1s y=1 secrets=")
    assert settings == {"timeout": 1.0}
    assert len(problems) == 3


@pytest.mark.parametrize("value", [True, [], {}, None, "x", 0, -1, float("inf"), float("nan")])
def test_a_wrong_time_limit_in_a_configuration_is_told(value: object) -> None:
    settings, problems = hook.from_comment("")
    assert hook.put(settings, "timeout", value)
    assert (settings, problems) == ({}, [])


@pytest.mark.parametrize("value", ["A", [1], [""], [], None])
def test_wrong_secrets_in_a_configuration_are_told(value: object) -> None:
    settings, _ = hook.from_comment("")
    assert hook.put(settings, "secrets", value)
    assert settings == {}
