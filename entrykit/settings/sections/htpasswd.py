"""`[htpasswd]`: an htpasswd file from the environment (30-htpasswd.py)."""

from entrykit.settings import checks
from entrykit.settings.sections.section import Section

SECTION = Section(
    keys={
        "username": (checks.variable, ...),
        "password": (checks.variable, ...),
        "file": (checks.file, "htpasswd"),
        "option": (checks.word, ""),
    },
    files=("username",),
    secrets=("password",),
)
