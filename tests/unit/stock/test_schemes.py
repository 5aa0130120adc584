"""The schemes of hashes, judged by crypt(3) and openssl(1), which are others' implementations."""

import ctypes
import subprocess
import sys

import pytest

from entrykit.stock import htpasswd_lines, passwords, schemes
from entrykit.system.errors import StartError

PASSWORDS = ["hush", "with blanks ", "é:$", "x" * 72]


def crypt(password: bytes, setting: bytes) -> bytes:
    """Hash a password as libcrypt does, with the scheme and salt of a hash."""
    function = ctypes.CDLL("libcrypt.so.1").crypt
    function.restype = ctypes.c_char_p
    made = function(password, setting)
    assert isinstance(made, bytes)
    return made


@pytest.mark.crypt
@pytest.mark.parametrize("scheme", schemes.TO_MAKE)
@pytest.mark.parametrize("password", PASSWORDS)
def test_crypt_verifies_what_is_made(scheme: str, password: str) -> None:
    raw = password.encode()
    hashed = schemes.make(scheme, raw, 4)
    assert htpasswd_lines.scheme(hashed) == scheme
    assert crypt(raw, hashed) == hashed
    assert crypt(raw + b"x" if len(raw) < 72 else b"x", hashed) != hashed
    assert schemes.make(scheme, raw, 4) != hashed


@pytest.mark.openssl
@pytest.mark.parametrize(
    ("option", "scheme"),
    [("-6", "sha512-crypt"), ("-5", "sha256-crypt"), ("-apr1", "apr1"), ("-1", "md5-crypt")],
)
@pytest.mark.parametrize("password", PASSWORDS)
def test_what_openssl_makes_is_verified(option: str, scheme: str, password: str) -> None:
    raw = password.encode()
    words = ["openssl", "passwd", option, "-stdin"]
    made = subprocess.run(words, input=raw, capture_output=True, check=True)
    hashed = made.stdout.strip()
    assert htpasswd_lines.scheme(hashed) == scheme
    assert schemes.verify(raw, hashed, "x")
    assert not schemes.verify(raw + b"x", hashed, "x")


@pytest.mark.parametrize(
    ("hashed", "right"),
    [
        # httpd's own examples, of the password myPassword.
        (b"$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", True),
        (b"{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", True),
        (b"{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNF=", False),
        (b"$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", True),
    ],
)
def test_the_examples_of_apaches_manual_are_verified(hashed: bytes, *, right: bool) -> None:
    assert schemes.verify(b"myPassword", hashed, "x") is right


@pytest.mark.parametrize(
    ("hashed", "told"),
    [
        (b"", "of no known scheme"),
        (b"hush", "of no known scheme"),
        (b"rlhFHd98JPpzY", "of no known scheme"),
        (b"$y$j9T$abc$" + b"a" * 43, "of the scheme yescrypt"),
    ],
)
def test_what_cannot_be_verified_is_said_and_not_shown(hashed: bytes, told: str) -> None:
    with pytest.raises(StartError, match=f"users: ann: cannot verify a hash {told}") as refusal:
        schemes.verify(b"hush", hashed, "users: ann")
    assert "known are bcrypt, sha512-crypt" in refusal.value.problems[0][2]
    assert not hashed or hashed.decode() not in str(refusal.value.problems)


def test_a_hash_of_a_known_form_that_is_none_is_told() -> None:
    hashed = b"$6$rounds=1$salt$" + b"a" * 86
    with pytest.raises(StartError, match="users: ann: that is no right hash of the scheme sha512"):
        schemes.verify(b"hush", hashed, "users: ann")


@pytest.mark.parametrize(
    ("scheme", "length", "told"),
    [
        ("bcrypt", 73, "it has 73 bytes, and bcrypt reads 72"),
        ("sha512-crypt", 513, r"it has 513 bytes, and crypt\(3\) reads 512"),
    ],
)
def test_a_password_that_a_scheme_would_cut_is_refused(scheme: str, length: int, told: str) -> None:
    schemes.check_password(b"x" * (length - 1), scheme, "it")
    with pytest.raises(StartError, match=told):
        schemes.check_password(b"x" * length, scheme, "it")


@pytest.mark.parametrize("scheme", schemes.TO_VERIFY)
def test_a_nul_byte_is_refused(scheme: str) -> None:
    with pytest.raises(StartError, match="it holds a NUL byte"):
        schemes.check_password(b"a\0b", scheme, "it")


def test_without_passlib_bcrypt_works_and_the_others_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As where nobody installed it: such an import fails at once.
    monkeypatch.setitem(sys.modules, "passlib", None)
    assert schemes.verify(b"hush", passwords.hash_bcrypt(b"hush", 4), "x")
    with pytest.raises(StartError, match="the scheme sha512-crypt needs passlib") as refusal:
        schemes.make("sha512-crypt", b"hush", 4)
    assert refusal.value.problems[0][2] == "pip install 'entrykit[passlib]'"
