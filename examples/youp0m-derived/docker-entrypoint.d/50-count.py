# entrykit: on-error=continue
"""Say in the log how many images the wall starts with."""

import os


def hook(_: object) -> str:
    names = [name for name in os.listdir("/images") if not name.startswith(".")]
    return f"{len(names)} files in /images"
