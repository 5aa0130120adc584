"""A plan and the start that it is the plan of agree, whatever an image holds.

Random images: configuration, variables, hooks whose changes are known, and commands. What the plan
shows, with these changes on top, is what the start comes to. The command is `cat`, which writes its
own environment and words. `ENTRYKIT_IMAGES` says how many images there are, 100 if not given.
"""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from .starts import SEARCH_PATH

# Several tests, since there are several processors.
PARTS = 4
IMAGES = int(os.environ.get("ENTRYKIT_IMAGES", "100"))
MARK = b"\0--\0"

VALUES = st.text("aZ0 '\"$\\é:/-", max_size=6)
# No program has such a name: without a program, the first word is the command.
WORDS = st.text("xyz:80 -", max_size=4).map("x={}".format)
# Nothing of a secret's value is in another value.
SECRETS = st.text("HUSH", min_size=4, max_size=9)
CHANGED = ("H1", "H2", "PLAIN")
NAMES = (
    "10-a.sh", "010-a.sh", "9-b.envsh", "9-c.py", "10-a.py", "20-d", "5-e.sh", "a.sql", "x.csv",
    "README.md", "7-f.sh~", ".hidden",
)  # fmt: skip


@dataclass(frozen=True)
class Hook:
    """A file of a hook directory, and what it asks for."""

    state: str
    sets: Mapping[str, str]
    unsets: frozenset[str]
    options: list[str]
    args: list[str]
    settings: str

    def write(self, path: Path) -> None:
        """Put it there, in its language."""
        if self.state == "mask":
            path.symlink_to("/dev/null")
        elif self.state == "directory":
            path.mkdir()
        else:
            lines = self._python() if path.suffix == ".py" else self._shell(path.suffix)
            text = "".join(f"{line}\n" for line in lines) * (self.state != "empty")
            path.write_text(
                text.replace("\n", "\r\n") if self.state == "crlf" else text, encoding="utf-8"
            )
            path.chmod(0o644 if self.state == "plain" else 0o755)

    def _python(self) -> Iterator[str]:
        yield f"# {self.settings}"
        yield "def hook(start):"
        yield f"    start.env.update({dict(self.sets)!r})"
        yield f"    for name in {sorted(self.unsets)!r}: start.env.pop(name, None)"
        yield f"    start.options += {self.options!r}"
        yield f"    start.args += {self.args!r}"

    def _shell(self, suffix: str) -> Iterator[str]:
        yield "#!/bin/sh"
        yield f"# {self.settings}"
        for name, value in self.sets.items():
            if suffix == ".envsh":
                yield f"export {name}={shlex.quote(value)}"
            else:
                yield f'printf "%s\\n" {shlex.quote(value)} >"$ENTRYKIT_ENV/{name}"'
        for name in sorted(self.unsets):
            yield f"unset {name}" if suffix == ".envsh" else f': >"$ENTRYKIT_UNSET/{name}"'
        for kind, words in (("OPTIONS", self.options), ("ARGS", self.args)):
            for number, word in enumerate(words):
                yield f'printf "%s\\n" {shlex.quote(word)} >"$ENTRYKIT_{kind}/{number}"'


@st.composite
def hooks(draw: st.DrawFn) -> Hook:
    """Return a hook that mostly runs."""
    names = draw(st.sets(st.sampled_from(CHANGED)))
    sets = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUES)))
    # Seldom one that ends the start: there is nothing to compare then but that.
    states = ["runs"] * 40 + ["plain", "empty", "mask", "directory"] * 3 + ["crlf"]
    return Hook(
        state=draw(st.sampled_from(states)),
        sets=sets,
        unsets=frozenset(names - sets.keys()),
        options=draw(st.lists(WORDS, max_size=1)),
        args=draw(st.lists(WORDS, max_size=2)),
        settings=draw(
            st.sampled_from(["", "entrykit: timeout=30s", "entrykit: secrets=SECRET,OPEN"])
        ),
    )


@dataclass
class Image:
    """An image, and what a container of it is given."""

    toml: str
    directories: list[dict[str, Hook]]
    environment: dict[bytes, bytes]
    files: dict[str, str]
    command: list[str]


PROGRAM = ["/bin/cat", "--", "/proc/self/environ", "{scratch}/mark", "/proc/self/cmdline"]
# The same program under a name that is not the image's.
FOREIGN = ["/bin/../bin/cat", *PROGRAM[1:]]


@st.composite
def configurations(draw: st.DrawFn) -> tuple[str, bool]:
    """Return a configuration, and whether it has a program."""
    has_program = draw(st.sampled_from([True, True, True, False]))
    lines = [f"program = {json.dumps(PROGRAM)}"] if has_program else []
    lines += draw(
        st.sampled_from([[], [], [], [f'commands = ["{FOREIGN[0]}"]'], ['commands = ["*"]']])
    )
    lines += draw(st.sampled_from([[], ["timeout = 20"], ["umask = '027'"]]))
    sources = ['env-files = ["{scratch}/given.env"]', 'env-dirs = ["{scratch}/secrets"]']
    lines += [line for line in sources if draw(st.booleans())]
    lines += ["[env.PLAIN]", f"default = {json.dumps(draw(VALUES))}"]
    lines += ['deprecated = ["OLD"]', "file = true"] if draw(st.booleans()) else []
    lines += ["[env.MADE]", 'default = "${PLAIN}+"'] if draw(st.booleans()) else []
    lines += ["[env.SECRET]", "secret = true"]
    lines += ["[env.OPEN]", "secret = true", "expose = true"]
    lines += ["[env.NUMBER]", 'type = "int"', "default = '7'"]
    lines += ["[env.NEEDED]", "required = true"] if draw(st.integers(0, 19)) == 7 else []
    lines += ['[hooks."10-a.sh"]', "timeout = 10"] if draw(st.booleans()) else []
    lines += ["[runners]", '".sql" = ["/bin/sh", "-e"]'] if draw(st.booleans()) else []
    return "\n".join(lines), has_program


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Return an image."""
    toml, has_program = draw(configurations())
    secrets = draw(st.fixed_dictionaries({}, optional={"SECRET": SECRETS, "OPEN": SECRETS}))
    files = {f"{name}.file": value for name, value in secrets.items()}
    environment = {
        name.encode(): value
        for name, value in draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "PLAIN": VALUES.map(str.encode),
                    "H1": VALUES.map(str.encode),
                    "NUMBER": st.sampled_from([b"", *[b"1", b"+2"] * 9, b"x"]),
                    "RAW": st.binary(max_size=3).map(lambda raw: raw.replace(b"\0", b"")),
                    "PLAINN": VALUES.map(str.encode),
                },
            )
        ).items()
    }
    if b"PLAIN" not in environment or not draw(st.integers(0, 9)):
        environment[b"OLD"] = draw(VALUES).encode()
    for name, value in secrets.items():
        if draw(st.booleans()):
            environment[f"{name}_FILE".encode()] = b"{scratch}/" + f"{name}.file".encode()
        else:
            environment[name.encode()] = value.encode()
    if draw(st.booleans()):
        files["given.env"] = "FROM_FILE=f\nPLAIN=p\n"
    if draw(st.booleans()):
        files["secrets/MOUNTED"] = "HUSHED"
    if skip := draw(st.lists(st.sampled_from(NAMES), max_size=1)):
        environment[b"ENTRYKIT_SKIP"] = skip[0].encode()
    arguments = draw(st.lists(WORDS, max_size=2))
    commands = [PROGRAM, FOREIGN]
    if has_program:
        commands += [[], ["-x"], ["--help"], ["cat", *PROGRAM[1:]]]
    directory = st.dictionaries(st.sampled_from(NAMES), hooks(), max_size=4)
    return Image(
        toml=toml,
        directories=[draw(directory), draw(directory)],
        environment=environment,
        files=files,
        command=[*draw(st.sampled_from(commands)), *arguments],
    )


class Container:
    """An image on the disk, and what a start of it is given."""

    def __init__(self, image: Image, scratch: Path, launcher: Path) -> None:
        self.scratch, self._image = os.fspath(scratch), image
        (scratch / "mark").write_bytes(MARK)
        (scratch / "secrets").mkdir()
        for name, text in image.files.items():
            (scratch / name).write_text(text, encoding="utf-8")
        (scratch / "e.toml").write_text(self.local(image.toml), encoding="utf-8")
        for number, directory in enumerate(image.directories):
            (scratch / f"hooks-{number}").mkdir()
            for name, hook in directory.items():
                hook.write(scratch / f"hooks-{number}" / name)
        self._words = [os.fspath(launcher), *(self.local(word) for word in image.command)]
        self._environment = {
            b"PATH": SEARCH_PATH.encode(),
            b"ENTRYKIT_CONFIG": os.fsencode(scratch / "e.toml"),
            b"ENTRYKIT_HOOKS": os.fsencode(f"{scratch}/hooks-0:{scratch}/hooks-1"),
        } | {
            name: value.replace(b"{scratch}", os.fsencode(scratch))
            for name, value in image.environment.items()
        }

    def local(self, text: str) -> str:
        """Return a text with the place of this image."""
        return text.replace("{scratch}", self.scratch)

    def run(self, more: Mapping[bytes, bytes]) -> "subprocess.CompletedProcess[bytes]":
        """Start it."""
        return subprocess.run(
            self._words,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**self._environment, **more},
            cwd="/",
        )

    def plan(self) -> tuple[int, dict[str, Any]]:
        """Return status and plan."""
        before = self._state()
        ended = self.run({b"ENTRYKIT_PLAN": b"json"})
        assert ended.stderr == b""
        assert self._state() == before
        assert b"HUSH" not in ended.stdout
        return ended.returncode, json.loads(ended.stdout)

    def _state(self) -> list[tuple[str, int]]:
        return sorted(
            (os.fspath(path), path.lstat().st_mtime_ns) for path in Path(self.scratch).rglob("*")
        )

    def hook(self, planned: Mapping[str, Any]) -> Hook:
        """Return the hook that a plan has found."""
        return self._image.directories[int(planned["directory"][-1])][planned["name"]]


def raw(text: str) -> bytes:
    """Return the bytes that stand in a plan."""
    return text.encode("utf-8", "surrogateescape")


def compare(container: Container) -> None:
    """Compare a plan with the start."""
    planned_status, plan = container.plan()
    real = container.run({})
    lines = real.stderr.decode("utf-8", "backslashreplace").splitlines()
    said = [f"entrykit: {line}" for line in plan["log"]]
    running = [hook for hook in plan["hooks"] if hook["runs"]]
    if planned_status:
        # A start ends with its first step that finds a problem; the plan shows those of all.
        assert (real.returncode, planned_status) == (78, 78)
        problems = [
            "entrykit: " + (f"{one['where']}: " if one["where"] else "") + one["message"]
            for one in plan["problems"]
        ]
        told = [line for line in lines if line not in said]
        assert told
        assert all(any(line.startswith(one) for one in problems) for line in told)
        return
    changes = [(hook["name"], container.hook(hook)) for hook in running]
    takes_options = plan["command"]["takes-options"]
    if any(hook.options for _, hook in changes) and not takes_options:
        assert real.returncode == 78
        assert "asks for options" in lines[-1]
        return
    if plan["gate"]["open"]:
        assert lines[: len(said)] == said
    done = [line.split(": ")[1] for line in lines[len(said) :] if ": done (" in line]
    assert done == [name for name, _ in changes]
    if plan["command"]["file"] is None:
        assert real.returncode == 127
        assert lines[-1].removeprefix("entrykit: ") in plan["notes"][0]
        return
    environ, mark, cmdline = real.stdout.partition(MARK)
    assert mark, lines
    assert cmdline.split(b"\0")[:-1] == argv(plan, changes)
    entries = dict(entry.split(b"=", 1) for entry in environ.split(b"\0")[:-1])
    planned = environment(plan, changes)
    hidden = {raw(one["name"]) for one in plan["environment"] if one["hidden"]}
    assert {name: entries[name] for name in entries if name not in hidden} == planned
    assert hidden <= entries.keys()
    if not changes:
        assert list(entries) == [raw(one["name"]) for one in plan["environment"]]
        assert plan["command"]["is-final"]


def argv(plan: Mapping[str, Any], changes: list[tuple[str, Hook]]) -> list[bytes]:
    """Return the words of the plan's command with what the hooks ask for."""
    command = plan["command"]
    options = [word for _, hook in changes for word in hook.options]
    arguments = [word for _, hook in changes for word in hook.args]
    return [raw(one) for one in (*command["program"], *options, *command["arguments"], *arguments)]


def environment(plan: Mapping[str, Any], changes: list[tuple[str, Hook]]) -> dict[bytes, bytes]:
    """Return the variables of the plan that it shows, with what the hooks ask for."""
    found = {
        raw(one["name"]): raw(one["value"]) for one in plan["environment"] if not one["hidden"]
    }
    for _, hook in changes:
        found |= {raw(name): raw(value) for name, value in hook.sets.items()}
        for name in hook.unsets:
            found.pop(raw(name), None)
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_a_plan_and_the_start_agree_on_hooks_environment_and_argv(
    part: int, launcher: Path
) -> None:
    @hypothesis.settings(
        max_examples=max(IMAGES // PARTS, 1),
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.seed(part)
    @hypothesis.given(images())
    def test(image: Image) -> None:
        with tempfile.TemporaryDirectory(prefix="entrykit-images-") as scratch:
            compare(Container(image, Path(scratch), launcher))

    test()
