"""`entrykit bake`: a launcher that nothing gets into, and that notices when it does not fit."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import bake
from .starts import SEARCH_PATH, Entrypoint, Given
from .test_python_hooks import TOO_DEEP

AGAIN = "(run `entrykit bake` again)"
# Says which Python module ran.
INTRUDER = "import sys; sys.stderr.write('an intruder\\n')\n"


class Image:
    """A copy of the package, and what is baked from it."""

    def __init__(self, python: str, package: Path, scratch: Path) -> None:
        self.python = python
        self.site = scratch / "site"
        shutil.copytree(package, self.site)
        self.launcher = scratch / "image" / "entrypoint"
        self.launcher.parent.mkdir()
        self.baked = Path(f"{self.launcher}.baked")
        self.configuration = scratch / "image.toml"
        self.configuration.write_text("", encoding="utf-8")
        self.entrypoint = Entrypoint([str(self.launcher)], scratch, is_pid1=False)

    def configure(self, *lines: str) -> None:
        """Write the image's configuration."""
        self.configuration.write_text("\n".join((*lines, "")), encoding="utf-8")

    def bake(self, status: int = 0) -> list[str]:
        """Bake; return what was said."""
        words = ["--config", str(self.configuration), "-o", str(self.launcher)]
        ended = bake(self.python, self.site, *words, environment=self._environment())
        assert ended.returncode == status, ended.stderr
        return ended.stderr.splitlines()

    def _environment(self) -> dict[str, str]:
        hooks = self.entrypoint.hooks.path
        return {"ENTRYKIT_HOOKS": str(hooks)} if hooks.exists() else {}


@pytest.fixture
def image(python: str, package: Path, tmp_path: Path) -> Iterator[Image]:
    """Return an image of the test's own."""
    image = Image(python, package, tmp_path)
    yield image
    image.entrypoint.close()


def test_two_files_are_written_and_said(image: Image) -> None:
    lines = image.bake()
    assert lines == [f"entrykit: wrote {image.launcher} and {image.baked}"]
    assert sorted(os.listdir(image.launcher.parent)) == ["entrypoint", "entrypoint.baked"]
    assert image.launcher.stat().st_mode & 0o7777 == 0o755
    assert image.baked.stat().st_mode & 0o7777 == 0o644
    first = image.launcher.read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"#!{image.python} -IS"


def test_a_baked_start_says_nothing(image: Image) -> None:
    image.configure('program = "echo"')
    image.bake()
    ended = image.entrypoint.run("-n", "x")
    assert (ended.status, ended.stdout, ended.stderr) == (0, b"x", b"")


def test_nothing_of_the_environment_or_the_working_directory_gets_in(image: Image) -> None:
    image.bake()
    scratch = image.entrypoint.scratch / "intruders"
    (scratch / "entrykit").mkdir(parents=True)
    modules = [
        "sitecustomize.py", "usercustomize.py", "startup.py", "posix.py", "marshal.py", "gc.py",
        "os.py", "time.py", "fcntl.py", "errno.py", "_signal.py", "select.py", "site.py",
        "traceback.py", "entrykit.py", "entrykit/__init__.py", "entrykit/launcher.py",
        "encodings.py", "json.py",
    ]  # fmt: skip
    for module in modules:
        (scratch / module).write_text(INTRUDER, encoding="utf-8")
    (scratch / "x.pth").write_text(INTRUDER.partition("\n")[0], encoding="utf-8")
    image.entrypoint.hooks.add("10-a.py", "import json, sys\nprint(sys.flags.isolated)\n")
    variables = [
        f"{name}={scratch}"
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPLATLIBDIR")
    ]
    variables += [
        f"PYTHONSTARTUP={scratch}/startup.py", "PYTHONINSPECT=1", "PYTHONVERBOSE=1",
        "PYTHONWARNINGS=error", "PYTHONBREAKPOINT=startup.x", "PYTHONDEBUG=1", f"HOME={scratch}",
    ]  # fmt: skip
    entries = [b"PATH=" + SEARCH_PATH.encode(), *(os.fsencode(entry) for entry in variables)]
    given = Given(environment=entries, directory=scratch)
    ended = image.entrypoint.run("env", given=given)
    assert ended.status == 0
    assert ended.lines[0] == "1"
    assert len(ended.lines) == 2
    assert ended.stdout.splitlines() == entries


def test_a_python_hook_can_import_what_is_installed_beside_entrykit(image: Image) -> None:
    (image.site / "third_party.py").write_text("NAME = 'third'\n", encoding="utf-8")
    image.bake()
    image.entrypoint.hooks.add("10-a.py", "import third_party\nprint(third_party.NAME)\n")
    assert image.entrypoint.run("true").lines[0] == "third"


def test_a_changed_configuration_is_parsed_afresh(image: Image) -> None:
    image.configure('program = "false"', "[env.A]", 'default = "old"')
    image.bake()
    image.configure('program = ["sh", "-c"]', "[env.A]", 'default = "new"')
    ended = image.entrypoint.run("sh", "-c", "echo $A")
    assert (ended.status, ended.stdout, ended.stderr) == (0, b"new\n", b"")


def test_a_change_of_one_byte_is_noticed(image: Image) -> None:
    image.configure("[env.A]", 'default = "a"')
    image.bake()
    times = image.configuration.stat()
    image.configure("[env.A]", 'default = "b"')
    os.utime(image.configuration, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert image.entrypoint.run("sh", "-c", "echo $A").stdout == b"b\n"


def test_a_configuration_that_has_become_wrong_is_78(image: Image) -> None:
    image.bake()
    image.configure("unknown = 1")
    ended = image.entrypoint.run("echo", "x")
    assert (ended.status, ended.stdout) == (78, b"")
    assert f"{image.configuration}:1: unknown key unknown" in ended.last_line


def test_a_configuration_that_is_gone_is_78(image: Image) -> None:
    image.bake()
    image.configuration.unlink()
    ended = image.entrypoint.run("echo", "x")
    assert (ended.status, ended.stdout) == (78, b"")
    assert str(image.configuration) in ended.last_line


def test_another_configuration_may_be_named(image: Image) -> None:
    image.configure('program = "false"')
    image.bake()
    image.entrypoint.configure('program = "echo"')
    assert image.entrypoint.run("-n", "x").stdout == b"x"


def test_a_mounted_hook_needs_no_new_bake(image: Image) -> None:
    image.bake()
    image.entrypoint.hooks.shell("10-a.sh", "echo mounted")
    assert image.entrypoint.run("true").lines[0] == "mounted"


def test_all_arguments_are_the_command(image: Image) -> None:
    image.configure('program = ["echo", "got"]')
    image.bake()
    ended = image.entrypoint.run("--skip", "x", "--config", "y", "--", "z")
    assert ended.stdout == b"got --skip x --config y -- z\n"


@pytest.mark.parametrize("changed", ["version", "module", "later module", "missing module"])
def test_another_entrykit_is_noticed_in_one_line_and_still_starts(
    image: Image, changed: str
) -> None:
    image.configure('program = "echo"')
    image.bake()
    path = {
        "version": "__init__.py",
        "module": "steps/gate.py",
        "later module": "steps/discover.py",
        "missing module": "steps/order.py",
    }[changed]
    module = image.site / "entrykit" / path
    content = module.read_text(encoding="utf-8")
    if changed == "version":
        # As long as it was.
        content = re.sub(r'(__version__ = ".*)."', r'\1x"', content)
        module.write_text(content, encoding="utf-8")
    elif changed == "missing module":
        module.unlink()
        (module.parent / "order").mkdir()
        (module.parent / "order" / "__init__.py").write_text(content, encoding="utf-8")
    else:
        module.write_text(content + "\n# changed\n", encoding="utf-8")
    image.entrypoint.hooks.shell("10-a.sh", "echo hook")
    ended = image.entrypoint.run("-n", "x")
    assert (ended.status, ended.stdout) == (0, b"x")
    assert [line for line in ended.lines if AGAIN in line] == ended.lines[:1]
    assert "another entrykit" in ended.lines[0]
    assert ended.lines[1] == "hook"


def test_what_a_start_has_no_use_for_may_be_another(image: Image) -> None:
    image.configure('program = "echo"')
    image.bake()
    (image.site / "entrykit" / "steps" / "init.py").unlink()
    image.entrypoint.hooks.shell("10-a.sh", "echo hook")
    ended = image.entrypoint.run("-n", "x")
    assert (ended.status, ended.stdout, ended.lines[0]) == (0, b"x", "hook")


def test_another_python_is_noticed_in_one_line_and_still_starts(image: Image) -> None:
    image.bake()
    content = image.baked.read_bytes()
    version, _, rest = content.partition(b"\0")
    image.baked.write_bytes(b"0" + version[1:] + b"\0" + rest)
    ended = image.entrypoint.run("echo", "x")
    assert (ended.status, ended.stdout) == (0, b"x\n")
    assert len(ended.lines) == 1
    assert "another Python" in ended.lines[0]
    assert AGAIN in ended.lines[0]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "directory", "unreadable content"])
def test_a_damaged_record_is_noticed_in_one_line_and_still_starts(
    image: Image, damage: str
) -> None:
    image.configure('program = "echo"')
    image.bake()
    content = image.baked.read_bytes()
    image.baked.unlink()
    if damage == "empty":
        image.baked.touch()
    elif damage == "cut":
        image.baked.write_bytes(content[: len(content) // 2])
    elif damage == "directory":
        image.baked.mkdir()
    elif damage == "unreadable content":
        image.baked.write_bytes(content.partition(b"\0")[0] + b"\0" + b"{" * 1000)
    ended = image.entrypoint.run("-n", "x")
    assert (ended.status, ended.stdout) == (0, b"x")
    assert len(ended.lines) == 1
    assert "the launcher's record cannot be read" in ended.lines[0]
    assert AGAIN in ended.lines[0]


def test_an_interrupt_before_the_record_is_read_is_answered(image: Image) -> None:
    """From its first line on, a launcher keeps it: Python would answer with a traceback."""
    image.bake()
    record = image.baked.read_bytes()
    image.baked.unlink()
    os.mkfifo(image.baked)
    running = image.entrypoint.start("echo", "x")
    writer = -1
    while writer < 0:
        assert running.process.poll() is None, running.end()
        # Somebody reads it: the launcher.
        with contextlib.suppress(OSError):
            writer = os.open(image.baked, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(writer, True)
    running.signal(signal.SIGINT)
    with contextlib.suppress(BrokenPipeError), open(writer, "wb") as fifo:
        fifo.write(record)
    ended = running.end()
    assert (ended.status, ended.stdout) == (130, b"")
    # What comes through a FIFO is not the whole record; that is said first.
    cut_short, *rest = ended.lines
    assert "the launcher's record cannot be read" in cut_short
    assert rest == ["entrykit: stopped by SIGINT; the command was not started"]


def test_the_package_that_is_gone_is_said_in_one_line(image: Image) -> None:
    image.bake()
    shutil.rmtree(image.site / "entrykit")
    ended = image.entrypoint.run("echo", "x")
    assert (ended.status, ended.stdout) == (78, b"")
    assert len(ended.lines) == 1
    assert "entrykit" in ended.last_line


def test_a_broken_configuration_fails_the_bake_and_writes_nothing(image: Image) -> None:
    image.configure('progam = "x"', 'grace = "soon"')
    lines = image.bake(status=78)
    assert f"{image.configuration}:1: " in lines[0]
    assert f"{image.configuration}:2: " in lines[1]
    assert os.listdir(image.launcher.parent) == []


def test_a_configuration_that_is_missing_fails_the_bake(image: Image) -> None:
    image.configuration.unlink()
    assert str(image.configuration) in image.bake(status=78)[0]
    assert os.listdir(image.launcher.parent) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("10-crlf.sh", b"#!/bin/sh\r\n"),
        ("10-bom.envsh", b"\xef\xbb\xbfA=1\n"),
        ("10-missing.sh", b"#!/no/such/interpreter\n"),
        ("10-syntax.py", b"def broken(:\n"),
        ("10-setting.sh", b"#!/bin/sh\n# entrykit: timeot=1s\n"),
        ("10-nul.sh", b"#!/bin/s\0h\n"),
        ("10-deep.py", TOO_DEEP.encode()),
    ],
)
def test_a_broken_hook_fails_the_bake_and_writes_nothing(
    image: Image, name: str, content: bytes
) -> None:
    image.entrypoint.hooks.add("05-good.sh", "#!/bin/sh\n")
    image.entrypoint.hooks.add(name, content)
    lines = image.bake(status=78)
    assert len(lines) == 1
    assert name in lines[0]
    assert os.listdir(image.launcher.parent) == []


def test_a_configuration_may_be_named_by_a_relative_path(image: Image) -> None:
    image.configure('program = "echo"')
    relative = os.path.relpath(image.configuration, "/")
    given = {"ENTRYKIT_CONFIG": relative}
    baked = bake(image.python, image.site, "-o", str(image.launcher), environment=given)
    assert baked.returncode == 0, baked.stderr
    given_directory = Given(directory=image.launcher.parent)
    assert image.entrypoint.run("-n", "x", given=given_directory).stdout == b"x"


def test_a_directory_is_no_place_for_a_launcher(image: Image) -> None:
    image.launcher.mkdir()
    lines = image.bake(status=78)
    assert lines == [
        f"entrykit: cannot write {image.launcher}: it is a directory (-o names a file)"
    ]
    assert os.listdir(image.launcher.parent) == ["entrypoint"]
    assert os.listdir(image.launcher) == []


def test_baking_again_replaces_what_was_baked(image: Image) -> None:
    image.configure('program = "false"')
    image.bake()
    image.configure('program = "echo"')
    image.bake()
    assert image.entrypoint.run("-n", "x").stdout == b"x"
    assert sorted(os.listdir(image.launcher.parent)) == ["entrypoint", "entrypoint.baked"]


def test_a_place_that_cannot_be_written_fails_the_bake(image: Image) -> None:
    image.launcher.parent.rmdir()
    lines = image.bake(status=78)
    assert len(lines) == 1
    assert str(image.launcher.parent) in lines[0]


def test_a_section_of_a_stock_hook_is_baked(image: Image) -> None:
    image.configure("[limits]", 'cpus = ["WORKERS"]')
    image.bake()
    ended = image.entrypoint.run("printenv", "WORKERS")
    assert ended.status == 0, ended.stderr
    assert ended.last_line.startswith(f"entrykit: 20-limits.py: WORKERS={int(ended.stdout)} (")
