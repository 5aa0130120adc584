"""Promise: what the command is told of its CPUs and its memory is what the engine allows it."""

from typing import Any

import pytest

from .engine import Engine, File

pytestmark = pytest.mark.docker

CONFIGURATION = File(
    "/etc/entrykit.toml",
    '[limits]\nset = ["GOMAXPROCS", "GOMEMLIMIT", "NODE_OPTIONS"]\nmemory = ["BYTES"]\n',
    0o644,
)
ENVIRONMENT = {"ENTRYKIT_SKIP": "10-images.sh"}
MIB = 1 << 20

# Puts itself into a cgroup below the container's own, with limits of its own, and becomes PID 1.
NEST = """\
set -eu
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then
    mount -o remount,rw,bind .
    mkdir inner
    echo $$ >inner/cgroup.procs
    echo +cpu +memory >cgroup.subtree_control
    [ -z "$QUOTA" ] || echo "$QUOTA 100000" >inner/cpu.max
    [ -z "$MEMORY" ] || echo "$MEMORY" >inner/memory.max
else
    mount -o remount,rw,bind cpu
    mount -o remount,rw,bind memory
    mkdir cpu/inner memory/inner
    [ -z "$QUOTA" ] || echo "$QUOTA" >cpu/inner/cpu.cfs_quota_us
    [ -z "$MEMORY" ] || echo "$MEMORY" >memory/inner/memory.limit_in_bytes
    echo $$ >cpu/inner/cgroup.procs
    echo $$ >memory/inner/cgroup.procs
fi
exec /entrypoint env
"""


def told(engine: Engine, image: str, **options: Any) -> dict[str, str]:
    """Return the variables that the command gets under some limits."""
    options["environment"] = ENVIRONMENT | options.get("environment", {})
    outcome = engine.run(image, *options.pop("command", ("env",)), files=[CONFIGURATION], **options)
    assert outcome.status == 0, outcome.stderr
    assert outcome.ran == ["20-limits.py"]
    return dict(line.split("=", 1) for line in outcome.stdout.splitlines())


@pytest.fixture(scope="module")
def machine(engine: Engine) -> int:
    """Return how many CPUs the engine's machine has."""
    return int(engine.client.info()["NCPU"])


@pytest.mark.parametrize("namespace", ["host", "private"])
def test_limits_of_the_engine_reach_the_command(
    engine: Engine, image: str, machine: int, namespace: str
) -> None:
    variables = told(engine, image, nano_cpus=1_500_000_000, mem_limit="200m", cgroupns=namespace)
    assert variables["GOMAXPROCS"] == str(min(2, machine))
    assert variables["BYTES"] == str(200 * MIB)
    assert variables["GOMEMLIMIT"] == str(180 * MIB)
    assert variables["NODE_OPTIONS"] == "--max-old-space-size=150"


def test_less_than_one_cpu_is_one(engine: Engine, image: str) -> None:
    assert told(engine, image, nano_cpus=100_000_000)["GOMAXPROCS"] == "1"


def test_a_cpuset_counts(engine: Engine, image: str) -> None:
    assert told(engine, image, cpuset_cpus="0")["GOMAXPROCS"] == "1"


def test_without_limits_it_is_the_machine_and_no_memory(
    engine: Engine, image: str, machine: int
) -> None:
    variables = told(engine, image)
    assert variables["GOMAXPROCS"] == str(machine)
    assert not {"GOMEMLIMIT", "NODE_OPTIONS", "BYTES"} & variables.keys()


def test_what_the_user_sets_stays(engine: Engine, image: str) -> None:
    environment = {"GOMAXPROCS": "9", "GOMEMLIMIT": "off"}
    variables = told(engine, image, mem_limit="200m", environment=environment)
    assert (variables["GOMAXPROCS"], variables["GOMEMLIMIT"]) == ("9", "off")


def test_a_restart_tells_the_same(engine: Engine, image: str) -> None:
    with engine.container(
        image, "env", files=[CONFIGURATION], environment=ENVIRONMENT, mem_limit="200m"
    ) as container:
        container.start()
        first = engine.outcome(container).stdout
        container.restart()
        assert engine.outcome(container).stdout == first * 2


@pytest.mark.parametrize("namespace", ["host", "private"])
@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ((2, 200), ("50000", "100M"), ("1", 100)),
        ((1, 100), ("", ""), ("1", 100)),
        ((1, 100), ("50000", "150M"), ("1", 100)),
    ],
)
def test_the_tighter_of_two_nested_cgroups_counts(
    engine: Engine,
    image: str,
    namespace: str,
    outer: tuple[int, int],
    inner: tuple[str, str],
    expected: tuple[str, int],
) -> None:
    """CPUs and MiB, outside as the engine's, inside as quota and size."""
    variables = told(
        engine,
        image,
        command=("-c", NEST),
        entrypoint="/bin/sh",
        user="0:0",
        # To make the file system of cgroups writable.
        cap_add=["SYS_ADMIN"],
        security_opt=["apparmor=unconfined"],
        cgroupns=namespace,
        nano_cpus=outer[0] * 1_000_000_000,
        mem_limit=f"{outer[1]}m",
        environment={"QUOTA": inner[0], "MEMORY": inner[1]},
    )
    assert variables["GOMAXPROCS"] == expected[0]
    assert variables["BYTES"] == str(expected[1] * MIB)
