"""A hook's settings: from its comment, `# entrykit: timeout=30s`, or from `[hooks."NAME"]`.

Light: a start loads it where a hook has a settings comment, without TOML.
"""

from entrykit.settings import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.settings.record import HookSettings

ON_ERROR = ("stop", "continue")
ON_INTERRUPTED = ("fail", "redo")
_LISTS = ("secrets", "makes")
_LONGEST_NAME = 64
# Below these nothing is a hook's to empty, and these themselves are not.
_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin",
    "/sys", "/usr",
)  # fmt: skip
_SHARED = (
    "/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var",  # noqa: S108
    "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp",  # noqa: S108
)  # fmt: skip


def from_comment(comment: str) -> "tuple[HookSettings, list[tuple[str, str]]]":
    """Return the settings in the text after `entrykit:`, and what is wrong with it.

    Words `KEY=VALUE`, separated by blanks; `secrets` and `makes` are separated by commas.
    """
    settings: HookSettings = {}
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    for word in comment.split():
        key, equals, written = word.partition("=")
        if not equals:
            problems.append((f"{word} in its settings comment is not KEY=VALUE", ""))
            continue
        if key in seen:
            message = f"settings comment: {key} is given more than once"
            problems.append((message, "leave one of them"))
            continue
        seen.add(key)
        value = [name for name in written.split(",") if name] if key in _LISTS else written
        problem = put(settings, key, value)
        if problem:
            problems.append((f"settings comment: {problem[0]}", problem[1]))
    return settings, problems


def put(settings: "HookSettings", key: str, value: object) -> tuple[str, str] | None:
    """Check one setting and put it into `settings`; return what is wrong, and the mend."""
    known = {
        "timeout": _put_timeout, "secrets": _put_secrets, "on-error": _put_on_error,
        "once": _put_once, "on-interrupted": _put_on_interrupted, "makes": _put_makes,
        "user": _put_user,
    }  # fmt: skip
    if key in known:
        return known[key](settings, value)
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


def _put_once(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    """Take a name that can be a file's: of ASCII letters, digits and `._-`, none of these first."""
    plain = (
        value.replace(".", "").replace("_", "").replace("-", "") if isinstance(value, str) else ""
    )
    if (
        not isinstance(value, str)
        or not (plain.isascii() and plain.isalnum() and value[0].isalnum())
        or len(value) > _LONGEST_NAME
    ):
        return f"once: expected a name of at most {_LONGEST_NAME} letters, digits, . _ and -", ""
    settings["once"] = value
    return None


def _put_on_interrupted(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    if not isinstance(value, str) or value not in ON_INTERRUPTED:
        return "on-interrupted: expected fail or redo", ""
    settings["on_interrupted"] = value
    return None


def _put_makes(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    """Take absolute paths without detours; none that more than the hook's own may lie in."""
    paths = value if isinstance(value, list) else []
    if not paths or not all(isinstance(path, str) and _is_plain_path(path) for path in paths):
        return "makes: expected absolute paths, without . or .. in them or / at the end", ""
    for path in paths:
        if path in _SHARED or any(f"{path}/".startswith(f"{place}/") for place in _SYSTEM):
            return f"makes: {path} is not a hook's to empty", "name a directory of its own"
    settings["makes"] = paths
    return None


def _is_plain_path(path: str) -> bool:
    parts = path.split("/")
    if path == "/":
        return True
    return not parts[0] and not {"", ".", ".."} & set(parts[1:]) and "\0" not in path


def _put_user(settings: "HookSettings", value: object) -> tuple[str, str] | None:
    """Take what has the form of a user spec; whom it names is looked up where the hook is."""
    from entrykit.system import users  # few hooks have one

    try:
        users.split(value if isinstance(value, str) else "")
    except ValueError as expected:
        return f"user: expected {expected}", ""
    settings["user"] = str(value)
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
