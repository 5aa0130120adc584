# entrykit: on-error=continue
"""Say in the log how many images the wall starts with."""

import os


def hook(start: object) -> str:
    """Return what is said."""
    names = [name for name in os.listdir("/images") if not name.startswith(".")]
    return f"{len(names)} files in /images"
