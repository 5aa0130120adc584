"""The sections of the stock hooks, one module each. A section switches its stock hook on."""

from entrykit.settings.sections import htpasswd, owner
from entrykit.settings.sections.section import Section

SECTIONS: dict[str, Section] = {
    "htpasswd": htpasswd.SECTION,
    "owner": owner.SECTION,
}
