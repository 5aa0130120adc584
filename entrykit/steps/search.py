"""Search: which files lie in the directories of the search path, before anyone looks into them.

Imported by every start: builtin modules only.
"""

import posix

from entrykit.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.configure import Settings

    # A directory, the names in it or why it cannot be read, and whether somebody asked for it.
    Listing = tuple[bytes, list[bytes], OSError | None, bool]

STOCK_DIRECTORY = __file__.rsplit("/", 2)[0].encode("utf-8", "surrogateescape") + b"/hooks"
# The image's own hooks, and a derived image's and the operator's.
HOOK_DIRECTORIES = (b"/usr/lib/entrykit/hooks.d", b"/docker-entrypoint.d")


def search(settings: "Settings") -> "list[Listing]":
    """Return the directories of the search path that hold anything or cannot be read.

    A default one that is missing is as an empty one.
    """
    named = settings.hook_directories
    directories = HOOK_DIRECTORIES if named is None else named
    found = []
    if settings.configuration["sections"]:
        found.append(_look_into(STOCK_DIRECTORY, is_named=True))
    for directory in directories:
        listing = _look_into(directory, is_named=named is not None)
        if listing[1] or listing[2] is not None:
            found.append(listing)
    return found


def _look_into(directory: bytes, *, is_named: bool) -> "Listing":
    try:
        return directory, posix.listdir(files.place(directory)), None, is_named
    except FileNotFoundError as error:
        return directory, [], error if is_named else None, is_named
    except OSError as error:
        return directory, [], error, is_named
