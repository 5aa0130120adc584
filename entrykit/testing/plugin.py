"""The plugin for pytest: the fixture `entrypoint`, its options, and what a failure shows.

pytest imports it in every run of whoever has entrykit installed: all else is imported by the
fixture itself.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.testing.entrypoint import Entrypoint

_BACKENDS = ("auto", "sandbox", "process", "docker")
_CHOSEN = pytest.StashKey[str]()
_WAYS_OUT = (
    "--entrykit-backend=docker --entrykit-image=IMAGE runs starts in a container; "
    "--entrykit-backend=process runs them as they are, and hooks then write to this machine"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("entrykit", "starts of containers (entrykit)")
    group.addoption(
        "--entrykit-backend",
        choices=_BACKENDS,
        default="",
        help="where the fixture `entrypoint` starts: a sandbox of this machine (the default), a"
        " plain process of it, or a Docker image",
    )
    group.addoption("--entrykit-image", default="", help="the image of the backend docker")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which backend it is, where the project or the command line speaks of entrykit."""
    option = config.getoption("--entrykit-backend")
    places = {config.rootpath, *(Path(one.partition("::")[0]) for one in config.args)}
    names = ("docker-entrypoint.d", "entrykit.toml")
    if not option and not any((place / name).exists() for place in places for name in names):
        pyproject = config.rootpath / "pyproject.toml"
        if not pyproject.exists() or "[tool.entrykit]" not in pyproject.read_text("utf-8"):
            return None
    return f"entrykit: {_describe(config)}"


@pytest.fixture
def entrypoint(request: pytest.FixtureRequest) -> "Iterator[Entrypoint]":
    """Start the real `entrykit run` with what the call gives, and return its outcome."""
    from entrykit.system.errors import StartError
    from entrykit.testing import entrypoint as starting
    from entrykit.testing import given

    try:
        project = given.read_project(request.path.parent, request.config.rootpath)
    except StartError as error:
        told = "; ".join(f"{where}: {what}" for where, what, _ in error.problems)
        pytest.fail(told, pytrace=False)
    backend = _choose(request.config, project.backend)
    image = request.config.getoption("--entrykit-image")
    with starting.opened(backend, project, image) as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip a test that asks for what the backend cannot show."""
    if "entrypoint" not in getattr(item, "fixturenames", ()):
        return (yield)
    from entrykit.testing.outcome import Unseen

    try:
        return (yield)
    except Unseen as fact:
        pytest.skip(str(fact))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the starts came to where a test of them fails."""
    report = yield
    if report.when == "call" and report.failed:
        one = getattr(item, "funcargs", {}).get("entrypoint")
        for number, start in enumerate(getattr(one, "starts", ()), 1):
            for outcome in getattr(start, "outcomes", ()):
                report.sections.append((f"entrykit, start {number}", outcome.story()))
    return report


def _choose(config: pytest.Config, of_project: str) -> str:
    """Return the backend; fail where the machine allows no sandbox and nobody chose another."""
    asked = config.getoption("--entrykit-backend") or of_project or "auto"
    if asked not in _BACKENDS:
        pytest.fail(f"[tool.entrykit] backend is one of {', '.join(_BACKENDS)}", pytrace=False)
    if asked not in ("auto", "sandbox"):
        return str(asked)
    if _refusal(config):
        from entrykit.testing import sandbox  # loaded already

        message = f"this machine allows no sandbox ({_refusal(config)}; {sandbox.mend()})"
        pytest.fail(f"{message}: {_WAYS_OUT}", pytrace=False)
    return "sandbox"


def _refusal(config: pytest.Config) -> str:
    if _CHOSEN not in config.stash:
        from entrykit.testing import sandbox

        config.stash[_CHOSEN] = sandbox.refusal()
    return config.stash[_CHOSEN]


def _describe(config: pytest.Config) -> str:
    from entrykit.system.errors import StartError
    from entrykit.testing import given, sandbox

    try:
        project = given.read_project(config.rootpath, config.rootpath)
    except StartError as error:
        return error.problems[0][1]
    backend = config.getoption("--entrykit-backend") or project.backend or "auto"
    if backend == "docker":
        return f"docker ({config.getoption('--entrykit-image') or project.image or 'no image'})"
    if backend == "process":
        return "process (hooks write to this machine)"
    refusal = _refusal(config)
    if refusal:
        return f"no sandbox is allowed here ({refusal}): {_WAYS_OUT}"
    return f"sandbox ({sandbox.kind()})"
