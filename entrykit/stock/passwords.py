"""Names and passwords that an htpasswd file can hold, and bcrypt, its scheme by default.

bcrypt in its `$2y$` form, cost 10: what nginx, Apache, lighttpd, HAProxy, Caddy, the Docker
registry, Traefik and crypt(3) verify. `$2y$` and `$2b$` name the same algorithm.
"""

from typing import TYPE_CHECKING

from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from types import ModuleType

COST = 10
# bcrypt reads no more of a password; what comes after would be as good as not there.
LIMIT_BYTES = 72
# `$2y$`, two digits, `$`, 22 characters of salt and 31 of the digest.
_HASH_LENGTH = 60


def check_username(username: bytes, what: str) -> None:
    """Raise StartError where an htpasswd file cannot hold a user name; `what` is its name."""
    if b":" in username:
        raise StartError(f"{what} holds a colon", hint="in an htpasswd file that ends the name")
    if username.startswith(b"#"):
        raise StartError(f"{what} begins with #", hint="in an htpasswd file that is a comment")
    if _has_controls(username):
        raise StartError(f"{what} holds a newline or another control character")


def check_password(password: bytes, what: str) -> None:
    """Raise StartError where bcrypt cannot take a password whole; `what` is its name."""
    if len(password) > LIMIT_BYTES:
        message = f"{what} has {len(password)} bytes, and bcrypt reads {LIMIT_BYTES}"
        raise StartError(message, hint="take a shorter one")
    if b"\0" in password:
        raise StartError(f"{what} holds a NUL byte", hint="take another one")


def check_typed(password: bytes, what: str) -> None:
    """Raise StartError where a password is empty, or holds what no browser sends (RFC 7617, 2)."""
    if not password:
        raise StartError(f"{what} is empty")
    if _has_controls(password):
        message = f"{what} holds a control character"
        raise StartError(message, hint="HTTP's basic authentication has none (RFC 7617)")


def line(username: bytes, password: bytes) -> bytes:
    """Return the line of an htpasswd file, with a new salt."""
    return username + b":" + hash_bcrypt(password) + b"\n"


def hash_bcrypt(password: bytes, cost: int = COST) -> bytes:
    """Return a bcrypt hash with a new salt."""
    bcrypt = _library()
    hashed: bytes = bcrypt.hashpw(password, bcrypt.gensalt(cost))
    return b"$2y$" + hashed.removeprefix(b"$2b$")


def verify_bcrypt(password: bytes, hashed: bytes) -> bool:
    """Tell whether a password has this bcrypt hash; what is no such hash has no password."""
    if len(hashed) != _HASH_LENGTH or len(password) > LIMIT_BYTES:
        return False
    try:
        return bool(_library().checkpw(password, hashed.replace(b"$2y$", b"$2b$", 1)))
    except ValueError:
        return False


def _library() -> "ModuleType":
    """Return bcrypt; raise StartError where this Python has none."""
    try:
        import bcrypt  # what is wrong with names and passwords is said without it
    except ImportError as error:
        hint = "install the package bcrypt for this Python, as entrykit's own needs ask"
        raise StartError(f"cannot load bcrypt: {error}", hint=hint) from None
    return bcrypt


def _has_controls(text: bytes) -> bool:
    return any(character < 32 or character == 127 for character in text)
