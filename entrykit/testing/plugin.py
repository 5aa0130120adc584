"""The plugin for pytest: the fixture `entrypoint`, its options, and what a failure shows.

pytest imports it in every run of whoever has entrykit installed: all else is imported by the
fixture itself.
"""

import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.testing.entrypoint import Entrypoint

_BACKENDS = ("auto", "sandbox", "process", "docker")
_CHOSEN = pytest.StashKey[str]()
_SAID = pytest.StashKey[bool]()
_STARTED = pytest.StashKey["Entrypoint"]()
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
    if not config.getoption("--entrykit-backend") and not any(map(_speaks, _places(config))):
        return None
    config.stash[_SAID] = True
    return f"entrykit: {_describe(config)}"


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> str | None:
    """Say it of tests that give all themselves, too."""
    # What only lists the tests is read by other programs.
    if (
        config.option.collectonly
        or _SAID in config.stash
        or not any(_uses_fixture(item) for item in items)
    ):
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
        request.node.stash[_STARTED] = opened
        yield opened
    # A test is kept to the end of the run; what its starts wrote need not be.
    del request.node.stash[_STARTED]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the starts came to where a test of them fails, or a fixture of its own."""
    report = yield
    if report.failed and _STARTED in item.stash:
        for number, start in enumerate(item.stash[_STARTED].starts, 1):
            for again, outcome in enumerate(start.outcomes):
                title = f"entrykit, start {number}{', restarted' if again else ''}"
                report.sections.append((title, outcome.story()))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say of modes and files in what they differ."""
    files = sys.modules.get("entrykit.testing.files")
    if op != "==" or files is None:
        return None
    told: list[str] | None = files.explain(left, right)
    return told


def _places(config: pytest.Config) -> set[Path]:
    """Return the directories of the tests that were asked for, and those above them."""
    root, found = config.rootpath, {config.rootpath}
    for one in config.args:
        place = config.invocation_params.dir / one.partition("::")[0]
        found |= {above for above in (place, *place.parents) if above.is_relative_to(root)}
    return found


def _speaks(place: Path) -> bool:
    """Tell whether a directory has something for the fixture."""
    if (place / "docker-entrypoint.d").exists() or (place / "entrykit.toml").exists():
        return True
    try:
        return "[tool.entrykit]" in (place / "pyproject.toml").read_text("utf-8")
    except (OSError, ValueError):
        return False


def _uses_fixture(item: pytest.Item) -> bool:
    """Tell whether a test uses the fixture of this plugin, and not one of its own."""
    # Private, but there is no other way to tell them apart.
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    found = known.get("entrypoint", ())
    return any(one.func.__module__ == __name__ for one in found[-1:])


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
