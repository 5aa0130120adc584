"""Once: what tells a hook's contents apart."""

import hashlib
import os
from pathlib import Path

import pytest

from entrykit.steps import once
from entrykit.system.errors import StartError


def test_a_digest_is_that_of_the_whole_content(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    hook = tmp_path / "hook"
    hook.write_bytes(content)
    assert once.digest(os.fsencode(hook)) == hashlib.sha256(content).hexdigest()


def test_a_hook_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read .*/gone: no such file"):
        once.digest(os.fsencode(tmp_path / "gone"))
