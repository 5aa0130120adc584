"""The sections of the stock hooks, one module each. A section switches its stock hook on."""

from entrykit.settings.sections import htpasswd, limits, owner, templates, wait
from entrykit.settings.sections.section import Section

SECTIONS: dict[str, Section] = {
    "wait": wait.SECTION,
    "limits": limits.SECTION,
    "htpasswd": htpasswd.SECTION,
    "templates": templates.SECTION,
    "owner": owner.SECTION,
}
