"""The command line: `run` goes to boot, everything else to commands."""

import sys


def main() -> int:
    """Run entrykit with the process's arguments; return its exit status."""
    words = sys.argv[1:]
    if words[:1] == ["run"] and words[1:2] != ["--help"]:
        from entrykit import boot
        from entrykit.steps import inherited

        return boot.run(inherited.arguments()[1:])
    from entrykit import commands

    return commands.main(words)


if __name__ == "__main__":
    sys.exit(main())
