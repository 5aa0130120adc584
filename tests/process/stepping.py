"""What the fuzzing of user specs runs: a root that steps down in a child, again and again.

Reads a spec and two files' contents, marshalled with their length before them; writes what became
of them in the same form: the status of an error, or uid, gid, groups and home; else a traceback's
text.
"""

import marshal
import os
import sys
import traceback

from entrykit.settings import options
from entrykit.system import files, privileges, users
from entrykit.system.errors import StartError


def main(place: str) -> None:
    """Answer until the input ends; the files are written below `place`."""
    os.mkdir(f"{place}/etc")
    files.find_by(lambda path: os.fsencode(place) + path)
    while head := sys.stdin.buffer.read(4):
        spec, passwd, group = marshal.loads(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        for path, content in (("passwd", passwd), ("group", group)):
            with open(f"{place}/etc/{path}", "wb") as file:
                file.write(content)
        reading, writing = os.pipe()
        if not os.fork():
            answer: object
            try:
                answer = _step_down(spec)
            except BaseException:  # noqa: BLE001 - whatever it is, is what is looked for
                answer = traceback.format_exc()
            os.write(writing, marshal.dumps(answer))  # type: ignore[arg-type]
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as pipe:
            raw = pipe.read()
        os.wait()
        sys.stdout.buffer.write(len(raw).to_bytes(4, "big") + raw)
        sys.stdout.buffer.flush()


def _step_down(spec: bytes) -> object:
    try:
        options.check({"user": spec})
        privileges.step_down(identity := users.identity(options.user(spec)))
    except StartError as error:
        (problem,) = error.problems
        return error.status if all(part.isprintable() for part in problem) else problem
    assert len(set(os.getresuid())) == len(set(os.getresgid())) == 1
    return os.getuid(), os.getgid(), os.getgroups(), identity.home


if __name__ == "__main__":
    main(sys.argv[1])
