"""The variables of `[limits]`: what they are worth, and whose value stays."""

from pathlib import Path

import pytest

from entrykit.settings import configuration
from entrykit.settings.sections import SECTIONS
from entrykit.steps import command, discover, kinds
from entrykit.steps.changes import Directories
from entrykit.steps.configure import Settings
from entrykit.steps.inherited import Environment, Inherited
from entrykit.steps.python_hook import HookStart
from entrykit.steps.state import Start
from entrykit.stock import limits
from entrykit.stock.cgroup import Limits
from entrykit.system import log
from entrykit.system.errors import StartError

from . import layouts

ALL = tuple(limits.KNOWN)
DOCS = Path(__file__).parents[3] / "docs"
LIMITED = "docker-v2-private-namespace"  # 2 CPUs, 512 MiB
UNLIMITED = "docker-v1-unlimited"  # 2 CPUs


class LimitsStart:
    """A start with the section `[limits]` in some layout, and what its hook said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.monkeypatch = monkeypatch
        self.root = root
        self.said = ""

    def __call__(self, layout: str, *lines: str, **given: str) -> HookStart:
        """Run the hook's work as at one start, and return what it was given."""
        for name in ALL:
            self.monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            self.monkeypatch.setenv(name, value)
        sysroot = layouts.load(layout).write(self.root)
        toml = "\n".join(("[limits]", *lines))
        settings = Settings({"sysroot": sysroot}, configuration.parse(toml.encode(), "e.toml"))
        inherited = object.__new__(Inherited)
        inherited.environment = Environment([])
        start = Start(inherited, settings, command.complete([b"server"], []))
        start.directories = Directories()
        hook = discover.Hook(b"20-limits.py", b"/hooks", kinds.PYTHON, [])
        hook.section = "limits"
        hook_start = HookStart(hook, start, b"")
        self.said = limits.set_up(hook_start)
        return hook_start


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LimitsStart:
    """Return a start in a tree of the test's own."""
    return LimitsStart(monkeypatch, tmp_path)


def limits_of(cpus: int | None, memory_bytes: int | None) -> Limits:
    """Return limits."""
    found = Limits()
    found.cpus, found.memory_bytes = cpus, memory_bytes
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOMAXPROCS", "2"),
        ("WEB_CONCURRENCY", "2"),
        ("OMP_NUM_THREADS", "2"),
        ("GOMEMLIMIT", "483183821"),
        ("NODE_OPTIONS", "--max-old-space-size=384"),
        ("JAVA_TOOL_OPTIONS", "-XX:ActiveProcessorCount=2 -XX:MaxRAMPercentage=75.0"),
    ],
)
def test_a_variable_is_set_from_the_limits(start: LimitsStart, name: str, value: str) -> None:
    given = start(LIMITED, f'set = ["{name}"]')
    assert given.env[name] == value
    shown = f'"{value}"' if " " in value else value
    assert start.said == f"{name}={shown} (2 CPUs, 512 MiB)"


def test_only_what_the_section_names_is_set(start: LimitsStart) -> None:
    given = start(LIMITED, 'set = ["GOMAXPROCS"]')
    assert not {*ALL, "NGINX_WORKERS"} - {"GOMAXPROCS"} & given.env.keys()


def test_variables_of_any_name_get_the_cpus_and_the_bytes(start: LimitsStart) -> None:
    given = start(LIMITED, 'cpus = ["NGINX_WORKERS", "A"]', 'memory = ["CACHE"]')
    assert (given.env["NGINX_WORKERS"], given.env["A"]) == ("2", "2")
    assert given.env["CACHE"] == "536870912"
    assert start.said == "NGINX_WORKERS=2 A=2 CACHE=536870912 (2 CPUs, 512 MiB)"


@pytest.mark.parametrize("name", ALL)
def test_a_value_that_was_given_stays_and_is_not_shown(start: LimitsStart, name: str) -> None:
    given = start(LIMITED, f'set = ["{name}"]', **{name: "a word of the user's"})
    assert given.env[name] == "a word of the user's"
    assert start.said == f"already set: {name} (2 CPUs, 512 MiB)"


def test_an_empty_value_is_as_none(start: LimitsStart) -> None:
    assert start(LIMITED, 'set = ["GOMAXPROCS"]', GOMAXPROCS="").env["GOMAXPROCS"] == "2"


def test_without_a_limit_of_memory_what_depends_on_it_is_left_unset(start: LimitsStart) -> None:
    given = start(
        UNLIMITED, 'set = ["GOMAXPROCS", "GOMEMLIMIT", "NODE_OPTIONS"]', 'memory = ["CACHE"]'
    )
    assert not {"GOMEMLIMIT", "NODE_OPTIONS", "CACHE"} & given.env.keys()
    assert start.said == (
        "GOMAXPROCS=2; no limit for GOMEMLIMIT, NODE_OPTIONS, CACHE (2 CPUs, no memory limit)"
    )


def test_without_a_limit_of_memory_java_is_told_its_cpus_alone(start: LimitsStart) -> None:
    given = start(UNLIMITED, 'set = ["JAVA_TOOL_OPTIONS"]')
    assert given.env["JAVA_TOOL_OPTIONS"] == "-XX:ActiveProcessorCount=2"


def test_what_is_known_of_nothing_sets_nothing(start: LimitsStart) -> None:
    given = start("nothing", 'set = ["GOMAXPROCS", "JAVA_TOOL_OPTIONS"]')
    assert not set(ALL) & given.env.keys()
    assert start.said == (
        "no limit for GOMAXPROCS, JAVA_TOOL_OPTIONS (unknown CPUs, no memory limit)"
    )


def test_a_second_start_sets_the_same(start: LimitsStart) -> None:
    lines = [f"set = {list(ALL)}"]
    first, said = start(LIMITED, *lines).env, start.said
    second = start(LIMITED, *lines).env
    assert (second, start.said) == (first, said)


@pytest.mark.parametrize(
    ("memory_bytes", "gomemlimit", "node"),
    [
        (1, "1", "--max-old-space-size=1"),
        (10, "9", "--max-old-space-size=1"),
        (1 << 20, "943719", "--max-old-space-size=1"),
        (2 << 20, "1887437", "--max-old-space-size=1"),
        (1 << 30, "966367642", "--max-old-space-size=768"),
        (1048576000, "943718400", "--max-old-space-size=750"),
    ],
)
def test_a_tenth_stays_free_for_go_and_a_quarter_for_node(
    memory_bytes: int, gomemlimit: str, node: str
) -> None:
    config: dict[str, list[str]] = {"set": ["GOMEMLIMIT", "NODE_OPTIONS"], "cpus": [], "memory": []}
    assert limits.computed(config, limits_of(1, memory_bytes)) == {
        "GOMEMLIMIT": gomemlimit,
        "NODE_OPTIONS": node,
    }


def test_one_cpu_is_one_of_it(start: LimitsStart) -> None:
    start("kubernetes-v1", 'set = ["GOMAXPROCS"]')
    assert start.said == "GOMAXPROCS=1 (1 CPU, 256 MiB)"


def test_where_a_limit_was_found_is_said_to_who_debugs(
    start: LimitsStart, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.set_level(log.DEBUG)
    start(LIMITED, 'set = ["GOMAXPROCS"]')
    said = capfd.readouterr().err
    assert f"entrykit: 20-limits.py: {tmp_path}/sys/fs/cgroup/memory.max: 512 MiB\n" in said


@pytest.mark.parametrize(
    ("lines", "line", "told"),
    [
        (['set = ["GOMAXPROC"]'], 2, ("GOMAXPROC is not known", "did you mean GOMAXPROCS?")),
        (['set = ["WORKERS"]'], 2, ("WORKERS is not known", "others go into `cpus` or `memory`")),
        ([], 1, ("there is nothing to set", "known are GOMAXPROCS, GOMEMLIMIT")),
        (["set = []"], 2, ("there is nothing to set", "")),
        (['set = ["GOMAXPROCS", "GOMAXPROCS"]'], 2, ("GOMAXPROCS stands there twice", "")),
        (['cpus = ["A"]', 'memory = ["A"]'], 3, ("A stands there twice", "name it once")),
        (['set = "GOMAXPROCS"'], 2, ("expected a list of words", "")),
        (['cpus = ["A B"]'], 2, ("names of variables, which 'A B' is not", "")),
        (['cpus = ["ENTRYKIT_A"]'], 2, ("names of variables, which 'ENTRYKIT_A' is not", "")),
        (["cpus = [1]"], 2, ("expected a list of words", "")),
        (["cpu = []"], 2, ("unknown key limits.cpu", "did you mean cpus?")),
    ],
)
def test_a_mistake_in_the_section_is_named_with_its_mend(
    lines: list[str], line: int, told: tuple[str, str]
) -> None:
    toml = "\n".join(("[limits]", *lines))
    with pytest.raises(StartError) as refusal:
        configuration.parse(toml.encode(), "e.toml")
    where, message, hint = refusal.value.problems[0]
    assert where == f"e.toml:{line}"
    assert told[0] in message
    assert told[1] in hint
    assert refusal.value.status == 78


def test_the_page_names_each_variable_and_key() -> None:
    text = (DOCS / "limits.md").read_text(encoding="utf-8")
    for name in (*limits.KNOWN, *SECTIONS["limits"].keys):
        assert f"`{name}`" in text
