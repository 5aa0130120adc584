"""Lines of htpasswd files and of users: which are right, and that all others stay as they are."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from entrykit.stock import htpasswd_lines, passwords

if TYPE_CHECKING:
    from entrykit.system.errors import Problem

# Each made with the password `hush`: by passlib, argon2-cffi's own example, mkpasswd(1).
HASHES = {
    "bcrypt": b"$2y$10$ezzh29tfwjGlSosqc/qC2er87zRAQQ.a12N60DrBD5JXeQdSNzgMS",
    "sha512-crypt": (
        b"$6$NeajRQS5XRQGAa/a$wXPD5JsVkwldFl8.jdvFvNY7E0Ikp6.FzI/j5NOu"
        b"JcH/5tcvSnboh8OV2zTtOcnSnFstWPaTZOx4u/n7zGcBP1"
    ),
    "sha256-crypt": b"$5$rounds=10000$kGkzKoajOaXJt2aL$2KdsKVCM0HYtP5QHLz4/fEBlDy5SfpgWHS8UWUwdgn9",
    "apr1": b"$apr1$7SVGsBb3$DAR05fneAK4DYrqayoZaF.",
    "md5-crypt": b"$1$pNdeCEXu$OZBr13PHSHZAi9ceI2kBG0",
    "sha1": b"{SHA}HyHjC/2o54DBcrn3W367/BjmyHk=",
    "salted-sha1": b"{SSHA}Xymt8m6yD6mr7MnOHZUSYD7tAwtYCyGk",
    "yescrypt": b"$y$j9T$pW/fqRKVIL1LAenIkJp86/$g5z7gstkncJasRwRq9l.8kWAYYqN1ssEpve0fkMf5w3",
    "argon2": (
        b"$argon2id$v=19$m=65536,t=3,p=4$MIIRqgvgQbgj220jfp0MPA$YfwJSV"
        b"jtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg"
    ),
}
LINES = st.lists(
    st.one_of(
        st.binary(max_size=12).filter(lambda line: b"\n" not in line),
        st.sampled_from([b"", b"#x:y", b"ann:old", b"ann:old:note\r", b"bob", b"annie:x", b":x"]),
    ),
    max_size=8,
)
NAMES = st.sampled_from([b"ann", b"bob", b"new", b"\xff", b"a b"])
# A secret that no message holds by chance.
SECRET = "Zq7Xw9Kj"  # noqa: S105


def read_users(content: bytes) -> tuple[list[tuple[str, bytes, bytes]], list["Problem"]]:
    problems: list[Problem] = []
    return list(htpasswd_lines.read_users(content, "USERS", problems)), problems


def read_entries(content: bytes) -> tuple[list[tuple[str, bytes, bytes]], list["Problem"]]:
    problems: list[Problem] = []
    return list(htpasswd_lines.read_entries(content, "ENTRIES", problems)), problems


@pytest.mark.parametrize("name", HASHES)
def test_each_scheme_is_known_by_its_form(name: str) -> None:
    assert htpasswd_lines.scheme(HASHES[name]) == name
    assert read_entries(b"ann:" + HASHES[name])[0] == [("ENTRIES, line 1", b"ann", HASHES[name])]


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("cut", [1, 2, 8])
def test_a_hash_that_lacks_its_end_is_known_no_more(name: str, cut: int) -> None:
    if name not in ("argon2", "salted-sha1"):  # whose digests have no one length
        assert htpasswd_lines.scheme(HASHES[name][:-cut]) == ""


@pytest.mark.parametrize(
    "rest",
    [
        b"", b"hush", b"abcdefghijklm", b"{PLAIN}hush", b"$2y$10$short", b"$$2y$$10$$x", b"x:y",
        b"*", b"!", HASHES["bcrypt"] + b" ", b" " + HASHES["bcrypt"],
        HASHES["bcrypt"].replace(b"$10$", b"$32$"), HASHES["bcrypt"].replace(b"2y", b"2x"),
    ],
)  # fmt: skip
def test_what_is_no_hash_is_refused_and_not_shown(rest: bytes) -> None:
    found, problems = read_entries(b"# head\nann:" + rest)
    assert found == []
    message = "ENTRIES, line 2: after the name stands no hash of a known scheme"
    hint = "plain passwords belong into what `users` names; Compose wants each $ as $$"
    assert problems == [("", message, hint)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hush", "it has no colon"),
        (b":hush", "it has no name"),
        (b"ann:", "the password is empty"),
        (b" ann:hush", "the name begins or ends with a blank"),
        (b"ann :hush", "the name begins or ends with a blank"),
        (b"a\tn:hush", "the name holds a newline or another control character"),
        (b"ann:hu\rsh", "the password holds a control character"),
        (b"ann:" + b"x" * 73, "the password has 73 bytes, and bcrypt reads 72"),
        (b"ann:" + HASHES["bcrypt"], "that is a hash, not a password"),
        (b"\xef\xbb\xbfann:hush", "it begins with a byte order mark"),
    ],
)
def test_a_line_of_users_that_is_wrong_is_named_by_its_number(line: bytes, message: str) -> None:
    found, problems = read_users(b"bob:b\n\n" + line + b"\nzoe:z")
    assert [where for where, _, _ in found] == ["USERS, line 1", "USERS, line 4"]
    assert [told for _, told, _ in problems] == [f"USERS, line 3: {message}"]


def test_of_many_wrong_lines_the_first_ten_are_told() -> None:
    found, problems = read_users(b"junk\n" * 1000)
    assert found == []
    assert len(problems) == 11
    assert problems[-1] == ("", "USERS: 990 more lines are wrong", "is it another file?")


@given(LINES)
def test_whatever_the_lines_each_is_passed_over_found_or_told(lines: list[bytes]) -> None:
    content = b"\n".join(lines)
    passed_over = [line for line in lines if not line.strip() or line.lstrip()[:1] == b"#"]
    found, problems = read_users(content)
    assert len(found) + len(problems) + len(passed_over) == len(lines)
    for where, name, password in found:
        number = int(where.rpartition(" ")[2])
        assert lines[number - 1].removesuffix(b"\r") == name + b":" + password


@given(st.text(max_size=6), st.text(max_size=6), st.booleans())
def test_no_message_holds_what_a_wrong_line_holds(before: str, after: str, has_colon: bool) -> None:  # noqa: FBT001
    line = f"{before}{':' if has_colon else ''}{SECRET}{after}"
    for read in (read_users, read_entries):
        _, problems = read(line.encode())
        assert SECRET not in str(problems)


@given(LINES, st.booleans(), NAMES)
def test_to_put_a_user_leaves_all_other_lines_byte_for_byte(
    lines: list[bytes],
    ends_in_newline: bool,  # noqa: FBT001
    name: bytes,
) -> None:
    content = b"\n".join(lines) + (b"\n" if ends_in_newline else b"")
    changed = htpasswd_lines.put(content, name, b"NEW")
    assert (htpasswd_lines.find(changed, name) or b"").partition(b":")[0] == b"NEW"
    assert htpasswd_lines.remove(changed, name) in (
        htpasswd_lines.remove(content, name),
        # The newline that the last line had not.
        htpasswd_lines.remove(content, name) + b"\n",
    )
    assert sum(line.startswith(name + b":") for line in changed.split(b"\n")) == 1
    # In its place, where it had one.
    if htpasswd_lines.find(content, name) is not None:
        position = next(n for n, line in enumerate(lines) if line.startswith(name + b":"))
        assert changed.split(b"\n")[position].startswith(name + b":NEW")


@given(LINES, NAMES)
def test_to_remove_a_user_leaves_all_other_lines_byte_for_byte(
    lines: list[bytes], name: bytes
) -> None:
    content = b"".join(line + b"\n" for line in lines)
    kept = b"".join(line + b"\n" for line in lines if not line.startswith(name + b":"))
    assert htpasswd_lines.remove(content, name) == kept
    assert htpasswd_lines.find(kept, name) is None


@given(st.binary(max_size=72).filter(lambda password: b"\0" not in password))
def test_a_password_verifies_its_own_hash_alone(password: bytes) -> None:
    hashed = passwords.hash_bcrypt(password, 4)
    assert htpasswd_lines.scheme(hashed) == "bcrypt"
    assert passwords.verify_bcrypt(password, hashed)
    assert not passwords.verify_bcrypt(password + b"x", hashed)
    assert not passwords.verify_bcrypt(password[:-1] or b"xx", hashed)


@given(st.binary(max_size=70))
def test_what_is_no_hash_has_no_password(junk: bytes) -> None:
    assume(htpasswd_lines.scheme(junk) != "bcrypt")
    assert not passwords.verify_bcrypt(b"hush", junk)
