"""The command line: `run` goes to boot, `plan` and `exec` have words of their own to read.

All else is commands.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


def main() -> int:
    """Run entrykit with the process's arguments; return its exit status."""
    words = sys.argv[1:]
    if words[:1] in (["run"], ["plan"], ["exec"]) and words[1:2] != ["--help"]:
        # At once: Python answers to INT with a traceback.
        mask = _signal.pthread_sigmask(
            _signal.SIG_BLOCK, (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
        )
        from entrykit.steps import inherited

        name, *raw = inherited.arguments()
        if name == b"exec":
            from entrykit.commands import exec as exec_

            return exec_.start(raw, mask)
        if name == b"plan":
            from entrykit.commands import plan

            return plan.start(raw, mask)
        from entrykit import boot

        return boot.run(raw, mask=mask)
    from entrykit import commands

    return commands.main(words)


if __name__ == "__main__":
    sys.exit(main())
