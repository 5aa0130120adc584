"""Standard output, where a command's result goes."""

from entrykit.system import writing
from entrykit.system.errors import StartError, os_reason


def write(content: bytes) -> None:
    """Write to standard output; that its reader has gone is no error of ours.

    Raises BrokenPipeError then, and StartError where the content cannot be written.
    """
    try:
        writing.write_all(1, content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StartError(f"cannot write standard output: {os_reason(error)}") from None
