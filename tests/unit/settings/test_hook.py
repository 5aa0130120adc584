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
        ("once=initdb", {"once": "initdb"}),
        ("once=2-x.y_z on-interrupted=redo", {"once": "2-x.y_z", "on_interrupted": "redo"}),
        ("on-interrupted=fail", {"on_interrupted": "fail"}),
        ("makes=/data,/var/lib/x/y", {"makes": ["/data", "/var/lib/x/y"]}),
        ("user=app:staff", {"user": "app:staff"}),
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
        ("xyz=1", "unknown setting xyz", "known are timeout, secrets, on-error, once"),
        ("timeout", "timeout in its settings comment is not KEY=VALUE", ""),
        ("user=", "user: expected a user", ""),
        ("user=app:", "user: expected a user", ""),
        ("user=a:b:c", "user: expected a user", ""),
        ("once=", "once: expected a name", ""),
        ("once=../x", "once: expected a name", ""),
        ("once=.x", "once: expected a name", ""),
        ("once=é", "once: expected a name", ""),
        (f"once={'x' * 65}", "once: expected a name of at most 64", ""),
        ("on-interrupted=ignore", "on-interrupted: expected fail or redo", ""),
        ("makes=", "makes: expected absolute paths", ""),
        ("makes=data", "makes: expected absolute paths", ""),
        ("makes=/data/../etc", "makes: expected absolute paths", ""),
        ("makes=/data/", "makes: expected absolute paths", ""),
        ("makes=/data//x", "makes: expected absolute paths", ""),
        ("makes=/", "makes: / is not a hook's to empty", "a directory of its own"),
        ("makes=/data,/etc", "makes: /etc is not a hook's to empty", "a directory of its own"),
        ("makes=/usr/lib/x", "makes: /usr/lib/x is not a hook's to empty", "of its own"),
        ("makes=/var/lib", "makes: /var/lib is not a hook's to empty", "of its own"),
    ],
)
def test_a_mistake_in_a_comment_is_told(comment: str, problem: str, mend: str) -> None:
    settings, ((message, hint),) = hook.from_comment(comment)
    assert settings == {}
    assert problem in message
    assert mend in hint


@pytest.mark.parametrize("more", ["timeout=1s", "timeout=2s", "timeout=soon"])
def test_a_key_that_is_given_twice_is_told(more: str) -> None:
    _, problems = hook.from_comment(f"timeout=1s {more} timeout=3s")
    twice = ("settings comment: timeout is given more than once", "leave one of them")
    assert problems == [twice, twice]


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
