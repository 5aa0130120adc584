"""Step down: whom the command is to run as, where the start is root.

Before the hooks, so that a start that cannot end well does not begin, and again after them: a hook
may have given the user another uid, other groups or another home.

Loaded only by a start that has a user to step down to: builtin modules only.
"""

import posix

from entrykit.system import log, privileges, users
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.state import Start
    from entrykit.system.users import Identity


def wanted(user: str) -> "Identity | None":
    """Return whom a user spec names; None, and a line that says so, where the start is not root.

    Raises StartError: status 78 where nobody is named so, 126 where a step-down is impossible.
    """
    if posix.geteuid() != 0:
        if not _is_already(user):
            uid = posix.geteuid()
            log.info(f"the start is uid {uid}, not root: it stays so, and does not become {user}")
        return None
    identity = users.identity(user)
    privileges.check(identity)
    return identity


def look_again(start: "Start") -> bool:
    """Look for the user as the hooks have left it, and tell whether its ids are others now.

    Raises StartError as `wanted` does.
    """
    before = start.identity
    start.identity = now = wanted(start.settings.user)
    return bool(before and now and (before.uid, before.groups) != (now.uid, now.groups))


def take(start: "Start", identity: "Identity") -> None:
    """Become the user that the command is to run as; its HOME is that user's.

    As with gosu, HOME is set whatever it was, unless a hook has set or unset it. Raises StartError,
    status 126.
    """
    privileges.step_down(identity)
    if not start.keeps_home:
        start.environment.set(b"HOME", identity.home)


def _is_already(user: str) -> bool:
    # Whom an image knows under a name is no matter to a start that changes nothing: somebody may
    # have mounted a /etc/passwd with just the user that it runs as.
    try:
        return privileges.is_already(users.identity(user))
    except StartError:
        return False
