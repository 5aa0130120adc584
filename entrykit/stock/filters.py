"""Filters of `*.j2` templates: values on their way into JSON, a shell, nginx or YAML.

What cannot be written in such a place raises ValueError, whose text says why.
"""

import base64
import json
import re
import shlex

from jinja2 import Undefined

# What YAML takes for a line break, or does not take as it is (YAML 1.1 and 1.2, 5.1 and 5.4).
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NGINX_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def b64encode(value: object) -> str:
    """Return a value's bytes in Base64 (RFC 4648, 4), in one line."""
    return base64.b64encode(str(value).encode("utf-8", "surrogateescape")).decode("ascii")


def b64decode(value: object) -> str:
    """Return the bytes that a Base64 text stands for. Raises ValueError."""
    try:
        raw = base64.b64decode("".join(str(value).split()), validate=True)
    except ValueError:
        raise ValueError("the value is no Base64") from None
    return raw.decode("utf-8", "surrogateescape")


def tojson(value: object, indent: int | None = None) -> str:
    """Return a value as JSON (RFC 8259), keys sorted, its letters as they are.

    Unlike Jinja's own it leaves `<`, `>`, `&` and `'` as they are, which are special in HTML only.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, indent=indent, default=_undefined_or_none
    )


def _undefined_or_none(value: object) -> str:
    if isinstance(value, Undefined):
        return str(value)
    raise ValueError(f"JSON has no {type(value).__name__}")


def shell_quote(value: object) -> str:
    """Return a value as one word of a POSIX shell. Raises ValueError."""
    text = str(value)
    if "\0" in text:
        raise ValueError("a shell has no way to write a NUL byte")
    return shlex.quote(text)


def nginx_quote(value: object) -> str:
    """Return a value as one quoted parameter of an nginx directive. Raises ValueError.

    nginx reads `$` in most directives as the beginning of a variable, and knows no escape for it
    (ngx_conf_file.c, ngx_conf_read_token; ngx_http_script.c, ngx_http_script_compile).
    """
    text = str(value)
    if "\0" in text or "$" in text:
        what = "a NUL byte" if "\0" in text else "a literal $"
        raise ValueError(f"nginx has no way to write {what}")
    return '"' + "".join(_NGINX_ESCAPES.get(character, character) for character in text) + '"'


def yaml_quote(value: object) -> str:
    """Return a value as a double-quoted YAML string, which is a JSON string too."""
    quoted = json.dumps(str(value), ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


FILTERS = {
    "b64encode": b64encode,
    "b64decode": b64decode,
    "tojson": tojson,
    "shell_quote": shell_quote,
    "nginx_quote": nginx_quote,
    "yaml_quote": yaml_quote,
}
