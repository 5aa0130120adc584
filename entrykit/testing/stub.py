"""Stand-ins for programs, which note how they are called."""

_STUB = """\
#!/bin/sh
umask 0
printf '%s\\0' "$#" "$@" >>"{place}"
{output}exit {status}
"""


class Stub:
    """A stand-in for a program, and the arguments of each of its calls in the latest starts."""

    def __init__(self, name: str, status: int, output: str) -> None:
        self.name = name
        self.status = status
        self.output = output
        self.calls: list[list[str]] = []

    @property
    def key(self) -> str:
        """The name of the file in which its calls are noted."""
        return f"{self.name.strip('/').replace('/', '-')}.calls"

    def script(self, directory: str) -> bytes:
        """Return the program."""
        quoted = self.output.replace("'", "'\\''")
        output = f"printf '%s' '{quoted}'\n" if self.output else ""
        place = f"{directory}/{self.key}"
        return _STUB.format(place=place, output=output, status=self.status).encode()

    def take(self, noted: bytes | None) -> None:
        """Read the calls that were noted: each a count, and as many arguments."""
        words = [word.decode() for word in (noted or b"").split(b"\0")[:-1]]
        self.calls = []
        while words:
            end = 1 + int(words[0])
            self.calls.append(words[1:end])
            words = words[end:]
