"""A hook's settings: from its comment, `# entrykit: timeout=30s`, or from `[hooks."NAME"]`.

Light: a start loads it where a hook has a settings comment, without TOML.
"""

from entrykit.settings import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.settings.record import HookSettings

_TO_COME = ("user", "once")
ON_ERROR = ("stop", "continue")


def from_comment(comment: str) -> "tuple[HookSettings, list[tuple[str, str]]]":
    """Return the settings in the text after `entrykit:`, and what is wrong with it.

    Words `KEY=VALUE`, separated by blanks; `secrets` is separated by commas.
    """
    settings: HookSettings = {}
    problems: list[tuple[str, str]] = []
    for word in comment.split():
        key, equals, written = word.partition("=")
        if not equals:
            problems.append((f"{word} in its settings comment is not KEY=VALUE", ""))
            continue
        value = [name for name in written.split(",") if name] if key == "secrets" else written
        problem = put(settings, key, value)
        if problem:
            problems.append((f"settings comment: {problem[0]}", problem[1]))
    return settings, problems


def put(settings: "HookSettings", key: str, value: object) -> tuple[str, str] | None:
    """Check one setting and put it into `settings`; return what is wrong, and the mend."""
    known = {"timeout": _put_timeout, "secrets": _put_secrets, "on-error": _put_on_error}
    if key in known:
        return known[key](settings, value)
    if key in _TO_COME:
        return f"{key} is not available in this version", "leave it out"
    near = values.nearest(key, list(known))
    hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
    return f"unknown setting {key}", hint


def _put_secrets(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    names = value if isinstance(value, list) else []
    if not names or not all(
        isinstance(name, str) and values.is_variable_name(name) for name in names
    ):
        return "secrets: expected names of variables", ""
    settings["secrets"] = names
    return None


def _put_on_error(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    if not isinstance(value, str) or value not in ON_ERROR:
        return "on-error: expected stop or continue", ""
    settings["on_error"] = value
    return None


def _put_timeout(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    try:
        settings["timeout"] = values.duration_seconds(plain_number(value))
    except ValueError:
        return "timeout: expected a duration", "write for instance 30s, 500ms or 5m"
    return None


def plain_number(value: object) -> str:
    """Return a number or a string as it is written; raise ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    if isinstance(value, float):
        return format(value, "f" if value % 1 else ".0f")
    return str(value)
