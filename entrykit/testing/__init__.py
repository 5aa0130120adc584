"""For tests of hooks: the pytest fixture `entrypoint`, and the types that it gives.

pytest imports this package in every run, so what it names is loaded when it is asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.testing.entrypoint import Entrypoint
    from entrykit.testing.files import File
    from entrykit.testing.outcome import Event, HookRun, Log, Outcome
    from entrykit.testing.start import Running
    from entrykit.testing.stub import Stub

__all__ = ["Entrypoint", "Event", "File", "HookRun", "Log", "Outcome", "Running", "Stub"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from entrykit.testing import entrypoint, outcome, start

    return next(vars(one)[name] for one in (entrypoint, outcome, start) if name in vars(one))
