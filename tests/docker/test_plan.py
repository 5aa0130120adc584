"""Promise: an image shows what a start of it would do, wherever it can start."""

import json

import pytest

from .engine import Engine

pytestmark = pytest.mark.docker


def test_an_image_shows_its_plan_and_starts_nothing(engine: Engine, image: str) -> None:
    environment = {"YOUP0M_PASSWORD": "a word that nobody sees", "ENTRYKIT_PLAN": "1"}
    outcome = engine.run(image, "-bind", ":80", environment=environment)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert "nobody sees" not in outcome.stdout
    assert "/srv/youp0m [options that hooks ask for] -bind :80" in outcome.stdout
    # The directory of the image's own hooks, and the section that switches the stock hook on.
    assert "/usr/lib/entrykit/hooks.d" in outcome.stdout
    assert "stock hook of [htpasswd], /etc/entrykit.toml:" in outcome.stdout


def test_a_plan_needs_nothing_that_can_be_written_to(engine: Engine, image: str) -> None:
    outcome = engine.run(
        image,
        environment={"ENTRYKIT_PLAN": "json"},
        user="4711:4712",
        read_only=True,
        network_mode="none",
        ipc_mode="none",
        cap_drop=["ALL"],
    )
    plan = json.loads(outcome.stdout)
    assert (outcome.status, plan["status"], outcome.stderr) == (0, 0, "")
    assert (plan["process"]["uid"], plan["process"]["gid"]) == (4711, 4712)
    assert plan["command"]["file"] == "/srv/youp0m"
    assert [hook["name"] for hook in plan["hooks"]] == ["10-images.sh", "30-htpasswd.py"]
