"""Which files are templates, whose their results are, and how problems are summed up."""

import marshal
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrykit.stock import rendering


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        (b"a.template", b".template"),
        (b"a.conf.j2", b".j2"),
        (b".htaccess.template", b".template"),
        (b"a.j2.template", b".template"),
        (b".j2", b""),
        (b".template", b""),
        (b"template", b""),
        (b"a.j2.bak", b""),
        (b"a.J2", b""),
        (b"a.j2~", b""),
    ],
)
def test_the_suffix_makes_a_template(name: bytes, suffix: bytes) -> None:
    assert rendering.suffix_of(name) == suffix


def as_user(user: int, groups: list[int], body: Callable[[], Any]) -> Any:
    """Return what a function returns in a child with these ids and without capabilities."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups(groups)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            rendering.may_change_owners.cache_clear()
            os.write(writer, marshal.dumps(body()))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        content = file.read()
    os.waitpid(child, 0)
    return marshal.loads(content)


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "owner", "kept"),
    [
        (0o640, (1234, 1234), (0o640, 1234, 1234)),
        (0o644, (0, 0), (0o644, 1234, 1234)),
        (0o664, (0, 0), (0o644, 1234, 1234)),
        (0o640, (0, 0), (0o600, 1234, 1234)),
        (0o640, (0, 2345), (0o640, 1234, 2345)),
        (0o660, (1234, 0), (0o600, 1234, 1234)),
        (0o4755, (0, 0), (0o755, 1234, 1234)),
        (0o777, (0, 0), (0o777, 1234, 1234)),
    ],
)
def test_what_cannot_be_kept_makes_a_file_no_more_open(
    tmp_path: Path, mode: int, owner: tuple[int, int], kept: tuple[int, int, int]
) -> None:
    template = tmp_path / "a.template"
    template.touch()
    os.chown(template, *owner)
    template.chmod(mode)
    status = template.stat()
    assert as_user(1234, [2345], lambda: rendering.kept_owner(status)) == kept


@pytest.mark.root
@pytest.mark.namespace
@pytest.mark.parametrize(
    ("mode", "kept"), [(0o640, "0o600 0 0"), (0o644, "0o644 0 0"), (0o664, "0o644 0 0")]
)
def test_an_owner_that_a_user_namespace_has_not_is_not_asked_for(
    tmp_path: Path, mode: int, kept: str
) -> None:
    template = tmp_path / "a.template"
    template.touch()
    os.chown(template, 1234, 2345)
    template.chmod(mode)
    script = (
        "import os, sys; from entrykit.stock import rendering; "
        "mode, *owner = rendering.kept_owner(os.stat(sys.argv[1])); print(oct(mode), *owner)"
    )
    words = ["unshare", "--map-root-user", sys.executable, "-c", script, str(template)]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == kept


@pytest.mark.root
def test_root_keeps_mode_and_owner_but_for_special_bits(tmp_path: Path) -> None:
    template = tmp_path / "a.template"
    template.touch()
    os.chown(template, 1234, 2345)
    template.chmod(0o6750)
    assert rendering.kept_owner(template.stat()) == (0o750, 1234, 2345)


def test_a_problem_of_several_places_is_one() -> None:
    problems = rendering.Problems()
    problems.add("a:1", "X is not set", "set it")
    problems.add("b:2", "X is not set", "set it")
    problems.add("b:2", "X is not set", "set it")
    problems.add("c:3", "Y is not set")
    assert problems.count() == 3
    assert problems.all() == [
        ("a:1", "X is not set (also b:2)", "set it"),
        ("c:3", "Y is not set", ""),
    ]
