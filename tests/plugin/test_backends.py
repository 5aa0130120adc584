"""The same tests pass in each backend, as another user too, and what a backend lacks is said."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrykit.testing import interpreter, sandbox

TESTS = Path(__file__).parent / "everywhere" / "test_hooks.py"
COUNT = 40
DEBIAN_PYTHON = "/usr/bin/python3"
DOCKERFILE = b"""\
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends python3
"""


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Build an image with nothing but Python."""
    import io

    import docker

    client = docker.from_env()
    # Its own: another run beside this one removes its own at its end.
    tag = f"entrykit-test-plugin:{os.getpid()}"
    client.images.build(fileobj=io.BytesIO(DOCKERFILE), tag=tag, rm=True, forcerm=True)
    yield tag
    client.images.remove(tag, noprune=True)
    client.close()


def counts(pytester: pytest.Pytester, *options: str) -> dict[str, int]:
    """Return how many of the tests passed and were skipped."""
    pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.makepyfile(test_hooks=TESTS.read_text(encoding="utf-8"))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options).parseoutcomes()


@pytest.mark.sandbox
def test_all_pass_in_the_sandbox(pytester: pytest.Pytester) -> None:
    assert counts(pytester) == {"passed": COUNT}


def test_all_pass_as_plain_processes_but_for_the_files(pytester: pytest.Pytester) -> None:
    assert counts(pytester, "--entrykit-backend=process") == {"passed": COUNT - 5, "skipped": 5}


@pytest.mark.docker
def test_all_pass_in_a_container(pytester: pytest.Pytester, image: str) -> None:
    options = ["--entrykit-backend=docker", f"--entrykit-image={image}"]
    assert counts(pytester, *options) == {"passed": COUNT - 1, "skipped": 1}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("", "the backend docker needs an image: --entrykit-image=IMAGE, or `image` in"),
        ("entrykit-test-no-such", "cannot make a container of entrykit-test-no-such: No such"),
        ("debian:bookworm-slim", 'cannot start a container of debian:bookworm-slim: *"python3": '),
    ],
)
def test_an_image_that_will_not_do_is_named(
    pytester: pytest.Pytester, image: str, says: str
) -> None:
    pytester.makepyfile("def test_it(entrypoint): entrypoint(['true'])")
    ended = pytester.runpytest_subprocess(
        "--entrykit-backend=docker", f"--entrykit-image={image}", "-p", "no:cacheprovider"
    )
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines([f"*Refused: {says}*"])
    assert "Traceback" not in ended.stdout.str()


@pytest.mark.root
@pytest.mark.sandbox
def test_all_pass_without_root() -> None:
    """By Debian's Python: this one's may lie where nobody else looks."""
    question = [DEBIAN_PYTHON, "-c", "import sys; print(sys.version_info[:2])"]
    theirs = subprocess.run(question, check=False, capture_output=True, text=True).stdout
    if theirs.strip() != str(sys.version_info[:2]):
        pytest.skip("Debian's Python is another one, for which pytest is not installed")
    # Not below what is root's: a user of a namespace that does not know root cannot copy that.
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.chown(place, 1000, 1000)
        (place / "test_hooks.py").write_bytes(TESTS.read_bytes())
        said = _said_by_another_user(place)
    assert f"{COUNT} passed" in said, said


def _said_by_another_user(place: Path) -> str:
    path = ":".join(interpreter.module_path())
    done = subprocess.run(
        [DEBIAN_PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         f"--basetemp={place}/base", "test_hooks.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        user=1000,
        group=1000,
        extra_groups=[],
    )  # fmt: skip
    return done.stdout + done.stderr


def refuse(pytester: pytest.Pytester) -> None:
    """Let the machine allow no sandbox."""
    pytester.makeconftest(
        "from entrykit.testing import sandbox\n"
        "sandbox.refusal = lambda: 'unshare: Operation not permitted'\n"
    )


def test_a_machine_that_allows_no_sandbox_is_told_the_ways_out(pytester: pytest.Pytester) -> None:
    refuse(pytester)
    pytester.makepyfile("def test_it(entrypoint): entrypoint(['true'])")
    ended = pytester.runpytest_subprocess()
    ended.assert_outcomes(errors=1)
    ended.stdout.fnmatch_lines(["*allows no sandbox (unshare: Operation not permitted; *"])
    assert "--entrykit-backend=docker --entrykit-image=IMAGE" in ended.stdout.str()
    assert "--entrykit-backend=process" in ended.stdout.str()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("user/max_user_namespaces", "0\n", "`sysctl user.max_user_namespaces=10000` allows one"),
        ("user/max_user_namespaces", "9\n", "a container needs seccomp=unconfined and"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1\n",
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows one",
        ),
    ],
)
def test_the_mend_is_that_of_the_setting_that_forbids_it(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    setting = tmp_path / name
    setting.parent.mkdir()
    setting.write_text(value, encoding="ascii")
    assert sandbox.mend(str(tmp_path)).startswith(says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param([], "entrykit: sandbox (namespaces *)", marks=pytest.mark.sandbox),
        (["--entrykit-backend=process"], "entrykit: process (hooks write to this machine)"),
        (["--entrykit-backend=docker"], "entrykit: docker (no image)"),
    ],
)
def test_the_header_says_which_backend_it_is(
    pytester: pytest.Pytester, options: list[str], says: str
) -> None:
    pytester.mkdir("docker-entrypoint.d")
    pytester.runpytest_subprocess(*options).stdout.fnmatch_lines([says])


@pytest.mark.sandbox
@pytest.mark.parametrize("place", [".", "tests", "tests/test_it.py", "tests/test_it.py::test_it"])
def test_the_header_says_it_wherever_pytest_is_called(
    pytester: pytest.Pytester, place: str
) -> None:
    pytester.makeini("[pytest]")
    pytester.mkdir("tests").joinpath("docker-entrypoint.d").mkdir()
    test = "def test_it(entrypoint): entrypoint(['true'])"
    (pytester.path / "tests" / "test_it.py").write_text(test, encoding="utf-8")
    ended = pytester.runpytest_subprocess(place)
    ended.assert_outcomes(passed=1)
    ended.stdout.fnmatch_lines(["entrykit: sandbox (namespaces *)"])


@pytest.mark.sandbox
def test_what_a_backend_cannot_show_skips_a_test_wherever_it_is_asked(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest, unittest
        @pytest.fixture
        def files(entrypoint): return entrypoint(["true"]).files
        def test_by_a_fixture(files): pass
        def test_by_itself(entrypoint): entrypoint(["true"]).removed
        class Test(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def give(self, entrypoint): self.entrypoint = entrypoint
            def test_of_unittest(self): self.entrypoint(["true"]).directories
        """
    )
    ended = pytester.runpytest_subprocess("-rs", "--entrykit-backend=process")
    ended.assert_outcomes(skipped=3)
    assert ": the process backend does not show what a start wrote" in ended.stdout.str()
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_project_that_has_no_hooks_hears_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    ended = pytester.runpytest_subprocess()
    assert "entrykit:" not in ended.stdout.str()


@pytest.mark.sandbox
def test_tests_that_give_all_themselves_are_told_of_it_below_the_header(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("def test_it(entrypoint): entrypoint(['true'], hooks={})")
    pytester.runpytest_subprocess().stdout.fnmatch_lines(["collected 1 *", "entrykit: sandbox *"])
    listed = pytester.runpytest_subprocess("--collect-only", "-q").stdout.str()
    assert "entrykit: " not in listed


@pytest.mark.parametrize("without", [[], ["-p", "no:entrykit"]], ids=["with", "without"])
def test_a_fixture_of_ones_own_goes_before(pytester: pytest.Pytester, without: list[str]) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef entrypoint(): return 'own'\n")
    pytester.makepyfile("def test_it(entrypoint): assert entrypoint == 'own'")
    pytester.runpytest_subprocess(*without).assert_outcomes(passed=1)


def test_who_does_not_use_it_loads_three_small_modules(tmp_path: Path) -> None:
    code = (
        "import sys, pytest\n"
        "pytest.main(['-q', '--collect-only'])\n"
        "print(*(name for name in sys.modules if name.startswith('entrykit')))\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=tmp_path)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded == {"entrykit", "entrykit.testing", "entrykit.testing.plugin"}
