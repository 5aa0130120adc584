"""The ways in which entrykit starts, each of which keeps every promise."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import entrykit

from .inits import OWN, Make, parameter, ways
from .probe import Probe
from .starts import SEARCH_PATH, Entrypoint

_DEBIAN_PYTHON = "/usr/bin/python3"
_IN_NAMESPACE = pytest.mark.namespace


def _isolated_python() -> str:
    """Return the interpreter that an image would have: Debian's, where it is there."""
    question = [_DEBIAN_PYTHON, "-IS", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if os.path.exists(_DEBIAN_PYTHON) and not subprocess.run(question, check=False).returncode:
        return _DEBIAN_PYTHON
    return sys.executable


@pytest.fixture(scope="session")
def python() -> str:
    """Return the interpreter of launchers."""
    return _isolated_python()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a copy of the package, as an installation has it."""
    place = tmp_path_factory.mktemp("site")
    source = Path(entrykit.__file__).parent
    shutil.copytree(source, place / "entrykit", ignore=shutil.ignore_patterns("__pycache__"))
    return place


def bake(
    python: str, package: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `entrykit bake` as the Dockerfile of an image does."""
    return subprocess.run(
        [python, "-B", "-m", "entrykit", "bake", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": SEARCH_PATH, "PYTHONPATH": str(package), **(environment or {})},
        cwd="/",
    )


@pytest.fixture(scope="session")
def launcher(python: str, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a launcher without a configuration, as an image has it."""
    path = tmp_path_factory.mktemp("image") / "entrypoint"
    baked = bake(python, package, "--output", str(path))
    assert baked.returncode == 0, baked.stderr
    return path


@pytest.fixture(
    params=[
        "run",
        "baked",
        pytest.param("run-pid1", marks=_IN_NAMESPACE),
        pytest.param("baked-pid1", marks=_IN_NAMESPACE),
    ]
)
def entrypoint(
    request: pytest.FixtureRequest, tmp_path: Path, launcher: Path
) -> Iterator[Entrypoint]:
    """Start in each way: by `entrykit run` and a launcher, as any process and as PID 1."""
    yield from _entrypoint(request.param, tmp_path, launcher)


@pytest.fixture(
    params=[
        pytest.param("run-pid1", marks=_IN_NAMESPACE),
        pytest.param("baked-pid1", marks=_IN_NAMESPACE),
    ]
)
def pid1(request: pytest.FixtureRequest, tmp_path: Path, launcher: Path) -> Iterator[Entrypoint]:
    """Start in each way as PID 1."""
    yield from _entrypoint(request.param, tmp_path, launcher)


@pytest.fixture(params=[parameter(one) for one in OWN])
def own(request: pytest.FixtureRequest, tmp_path: Path, launcher: Path) -> Iterator[Make]:
    """Start by entrykit's init, by `entrykit run` and a launcher."""
    yield from ways(request, tmp_path, launcher)


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Return a probe of the test's own."""
    return Probe(tmp_path)


# What is left to a container's root under --cap-drop ALL --cap-add SETUID --cap-add SETGID.
FEW_RIGHTS = ("setpriv", "--bounding-set", "-all,+setuid,+setgid", "--inh-caps", "-all")


@pytest.fixture(scope="session")
def open_site(python: str, package: Path) -> Iterator[Path]:
    """Return a directory that every user may search, with the package and a launcher in it."""
    with tempfile.TemporaryDirectory(prefix="entrykit-tests-") as path:
        site = Path(path)
        shutil.copytree(package, site, dirs_exist_ok=True)
        site.chmod(0o755)
        baked = bake(python, site, "--output", str(site / "entrypoint"))
        assert baked.returncode == 0, baked.stderr
        yield site


@pytest.fixture(
    params=[
        "run-all", "baked-few",
        pytest.param("run-few-pid1", marks=_IN_NAMESPACE),
        pytest.param("baked-all-pid1", marks=_IN_NAMESPACE),
    ]
)  # fmt: skip
def root(request: pytest.FixtureRequest, python: str, open_site: Path) -> Iterator[Entrypoint]:
    """Start as root whose hooks may have users, with a container's rights and with few."""
    way: str = request.param
    words = [python, "-m", "entrykit", "run", "--"]
    if way.startswith("baked"):
        words = [str(open_site / "entrypoint")]
    if "few" in way:
        words = [*FEW_RIGHTS, *words]
    with tempfile.TemporaryDirectory(prefix="entrykit-tests-") as path:
        scratch = Path(path)
        scratch.chmod(0o755)
        entrypoint = Entrypoint(words, scratch, is_pid1=way.endswith("pid1"))
        entrypoint.environment["PYTHONPATH"] = str(open_site)
        yield entrypoint
        entrypoint.close()


def _entrypoint(way: str, scratch: Path, launcher: Path) -> Iterator[Entrypoint]:
    words = [sys.executable, "-m", "entrykit", "run", "--"]
    if way.startswith("baked"):
        words = [str(launcher)]
    entrypoint = Entrypoint(words, scratch, is_pid1=way.endswith("pid1"))
    yield entrypoint
    entrypoint.close()
