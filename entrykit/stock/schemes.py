"""The schemes of hashes in htpasswd files, to make and to verify one.

bcrypt needs no more than entrykit does; all others are passlib's, an extra.
"""

from typing import Any

from entrykit.stock import htpasswd_lines, passwords
from entrykit.system.errors import StartError

BCRYPT = "bcrypt"
# passlib's names. Only the first two are strong enough to be made anew.
_PASSLIB = {
    "sha512-crypt": "sha512_crypt",
    "sha256-crypt": "sha256_crypt",
    "apr1": "apr_md5_crypt",
    "md5-crypt": "md5_crypt",
    "sha1": "ldap_sha1",
    "salted-sha1": "ldap_salted_sha1",
}
TO_VERIFY = (BCRYPT, *_PASSLIB)
TO_MAKE = (BCRYPT, "sha512-crypt", "sha256-crypt")
# A server hashes at each request: 40 ms here, as much as bcrypt's. passlib would take 656,000.
_ROUNDS = 100_000
# CRYPT_MAX_PASSPHRASE_SIZE of libxcrypt's crypt(3).
_LIMIT_BYTES = 512


def check_password(password: bytes, scheme: str, what: str) -> None:
    """Raise StartError where a scheme cannot take a password whole; `what` is its name."""
    if scheme == BCRYPT:
        passwords.check_password(password, what)
    elif b"\0" in password:
        raise StartError(f"{what} holds a NUL byte", hint="take another one")
    elif len(password) > _LIMIT_BYTES:
        message = f"{what} has {len(password)} bytes, and crypt(3) reads {_LIMIT_BYTES}"
        raise StartError(message, hint="take a shorter one")


def make(scheme: str, password: bytes, cost: int) -> bytes:
    """Return a hash with a new salt; `cost` is bcrypt's. Raises StartError without passlib."""
    if scheme == BCRYPT:
        return passwords.hash_bcrypt(password, cost)
    hashed: str = _handler(scheme).using(rounds=_ROUNDS).hash(password)
    return hashed.encode()


def verify(password: bytes, hashed: bytes, where: str) -> bool:
    """Tell whether a password has this hash, of any scheme of TO_VERIFY.

    `where` stands for the hash in messages. Raises StartError for another scheme, and where there
    is no passlib for it.
    """
    scheme = htpasswd_lines.scheme(hashed)
    if scheme == BCRYPT:
        return passwords.verify_bcrypt(password, hashed)
    if scheme not in _PASSLIB:
        what = f"of the scheme {scheme}" if scheme else "of no known scheme"
        hint = f"known are {', '.join(TO_VERIFY)}"
        raise StartError(f"{where}: cannot verify a hash {what}", hint=hint)
    try:
        return bool(_handler(scheme).verify(password, hashed))
    except ValueError:
        # Of the right form, but not a hash: fewer rounds than the scheme allows, for instance.
        raise StartError(f"{where}: that is no right hash of the scheme {scheme}") from None


def _handler(scheme: str) -> Any:
    try:
        # Costs 30 ms, and bcrypt does without.
        from passlib import hash as handlers  # type: ignore[import-untyped]
    except ImportError:
        hint = "pip install 'entrykit[passlib]'"
        raise StartError(
            f"the scheme {scheme} needs passlib, which is missing", hint=hint
        ) from None
    return getattr(handlers, _PASSLIB[scheme])
