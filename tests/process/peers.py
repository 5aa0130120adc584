"""Ways to step down: entrykit's, and those of its peers, each before the same command.

They see /etc/passwd and /etc/group of their own, mounted in a namespace.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .starts import PATIENCE_SECONDS, SEARCH_PATH

ACCOUNTS = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
games:x:5:60:games:/usr/games:/usr/sbin/nologin
app:x:1500:1500:App:/srv/app:/bin/sh
homeless:x:1501:1501:::/bin/sh
member:x:1505:1505::/:/bin/sh
twin:x:1506:1506:first:/first:/bin/sh
twin:x:0:0:second:/root:/bin/sh
77:x:1507:1507::/:/bin/sh
letters:x:abc:1508::/:/bin/sh
short:x
nogid:x:1509
large:x:8589934592:1510::/:/bin/sh
last:x:4294967295:1511::/:/bin/sh
negative:x:-1:1512::/:/bin/sh
octal:x:01513:1513::/:/bin/sh
plus:x:+1514:1514::/:/bin/sh
empty:x::1515::/:/bin/sh
#old:x:1516:1516::/old:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP_LINES = """\
root:x:0:
daemon:x:1:
staff:x:50:app,games
games:x:60:
users:x:100:games,app
app:x:1500:
wheel:x:abc:member
broken:x:abc:
nogroup:x:65534:
"""
ROOT = Path(__file__).parents[2]
# No program of another user's choosing: what a shell itself reads of itself.
_SHOW = 'while read -r line; do echo "$line"; done </proc/self/status; echo "HOME: ${HOME-(unset)}"'
# Mounts two files, and becomes the words after them.
_MOUNTING = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'
_IN_NAMESPACE = ("unshare", "--mount", "sh", "-c", _MOUNTING, "sh")

# Uid, gid, groups as `id -G` shows them, HOME.
Shown = tuple[int, int, set[int], str]
Words = Callable[[str], list[str]]


@dataclass(frozen=True)
class Became:
    """What a command was started as; or, with `uid` None, how the step-down has failed."""

    status: int
    said: str
    uid: int | None = None
    gid: int | None = None
    groups: frozenset[int] = frozenset()
    home: str = ""
    fields: "dict[str, str] | None" = None

    @property
    def shown(self) -> Shown | None:
        """Uid, gid, groups as `id -G` shows them, HOME; None where there was no step-down."""
        if self.uid is None or self.gid is None:
            return None
        return self.uid, self.gid, {self.gid, *self.groups}, self.home


def entrykit(command: str) -> Words:
    """Return how `entrykit run` or `entrykit exec` is told to step down."""
    return lambda spec: [sys.executable, "-m", "entrykit", command, f"--user={spec}", "--"]


def gosu(spec: str) -> list[str]:
    """Return how gosu is told to step down."""
    return ["gosu", spec]


def setpriv(spec: str) -> list[str]:
    """Return how setpriv is told to; it looks up no group itself."""
    user, colon, group = spec.partition(":")
    regid = f"--regid={group}" if colon else "--regid=1500"
    return ["setpriv", f"--reuid={user}", regid, "--clear-groups"]


OWN: dict[str, Words] = {"run": entrykit("run"), "exec": entrykit("exec")}
PEERS: dict[str, Words] = {"gosu": gosu, "setpriv": setpriv}


class Users:
    """The two files, and the commands that are started where they are mounted."""

    def __init__(self, place: Path, package: Path = ROOT, python: str = sys.executable) -> None:
        """Write the files into a directory; `package` and `python` are those of entrykit's ways."""
        self.passwd, self.group = place / "passwd", place / "group"
        self.passwd.write_text(ACCOUNTS, encoding="utf-8")
        self.group.write_text(GROUP_LINES, encoding="utf-8")
        self._package = package
        self._python = python

    def own(self, way: str, spec: str) -> list[str]:
        """Return the words of one of entrykit's ways."""
        return [self._python, *OWN[way](spec)[1:]]

    def run(
        self, words: Sequence[str], *, before: Sequence[str] = (), **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run words to their end; `before` stands before them, setpriv for instance."""
        return subprocess.run(
            [*_IN_NAMESPACE, self.passwd, self.group, *before, *words],
            check=False,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=PATIENCE_SECONDS,
            cwd="/",
            env={
                "PATH": SEARCH_PATH,
                "HOME": "/nowhere",
                "PYTHONPATH": os.fspath(self._package),
                **environment,
            },
        )

    def become(
        self, words: Sequence[str], *, before: Sequence[str] = (), **environment: str
    ) -> Became:
        """Step down by words before a command, and return what that is."""
        ended = self.run([*words, "/bin/sh", "-c", _SHOW], before=before, **environment)
        if ended.returncode:
            return Became(ended.returncode, ended.stderr)
        fields = dict(line.split(":", 1) for line in ended.stdout.splitlines())
        uids, gids = (set(fields[name].split()) for name in ("Uid", "Gid"))
        assert len(uids) == len(gids) == 1, (uids, gids)
        return Became(
            0,
            ended.stderr,
            int(uids.pop()),
            int(gids.pop()),
            frozenset(map(int, fields["Groups"].split())),
            fields["HOME"][1:],
            {name: value.strip() for name, value in fields.items()},
        )
