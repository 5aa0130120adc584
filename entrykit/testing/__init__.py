"""For tests of hooks: the pytest fixture `entrypoint`, and the types that it gives.

pytest imports this package in every run, so what it names is loaded when it is asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.testing.entrypoint import Entrypoint, Running, Stub
    from entrykit.testing.outcome import Event, File, HookRun, Log, Outcome

__all__ = ["Entrypoint", "Event", "File", "HookRun", "Log", "Outcome", "Running", "Stub"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from entrykit.testing import entrypoint, outcome

    return getattr(entrypoint, name, None) or getattr(outcome, name)
