"""The engine and the images of this tier: built once for a test run, whatever its workers."""

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .engine import ROOT, Engine, File, pack

# Workers of pytest-xdist (https://pytest-xdist.readthedocs.io, "how-to") share one run.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12]
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# What is built already, and which workers have ended.
SHARED = Path(tempfile.gettempdir()) / f"entrykit-tests-{RUN}"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Connect to the Docker engine."""
    engine = Engine(RUN)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Build the image of Dockerfile.example."""
    return build_once("bookworm", lambda: engine.build_example("bookworm"))


@pytest.fixture(scope="session")
def trixie(engine: Engine) -> str:
    """Build the same image on Debian 13, whose Python is another one."""
    return build_once("trixie", lambda: engine.build_example("trixie"))


@pytest.fixture(scope="session")
def nginx_example(engine: Engine) -> str:
    """Build the image of examples/nginx."""
    return build_once(
        "nginx", lambda: engine.build_example("bookworm", "examples/nginx/Dockerfile")
    )


@pytest.fixture(scope="session")
def derived(engine: Engine, image: str) -> str:
    """Build the image of examples/youp0m-derived."""
    folder = ROOT / "examples" / "youp0m-derived"
    files = [
        File(str(path.relative_to(folder)), path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return build_once("derived", lambda: engine.build("derived", pack(files), BASE=image))


def build_once(name: str, build: Callable[[], str]) -> str:
    """Return the tag of an image that the first worker that wants it builds."""
    SHARED.mkdir(exist_ok=True)
    with (SHARED / name).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        tag = file.read() or build()
        file.truncate(0)
        file.write(tag)
    return tag


def pytest_sessionfinish() -> None:
    """Remove all that the run has made, once its last worker is done."""
    SHARED.mkdir(exist_ok=True)
    (SHARED / f"{WORKER}.ended").touch()
    names = [path.name for path in SHARED.iterdir()]
    ended = [name for name in names if name.endswith(".ended")]
    if len(ended) < WORKERS:
        return
    if len(names) > len(ended):
        engine = Engine(RUN)
        try:
            engine.remove_all()
        finally:
            engine.close()
    shutil.rmtree(SHARED, ignore_errors=True)
