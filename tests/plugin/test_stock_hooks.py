"""What holds for all stock hooks."""

from pathlib import Path

import pytest

from entrykit.testing import Entrypoint

STOCK = Path(__file__).parents[2] / "hooks"


@pytest.mark.sandbox
@pytest.mark.parametrize("name", sorted(path.name for path in STOCK.glob("*.py")))
def test_a_copy_under_another_name_says_that_it_has_no_section(
    entrypoint: Entrypoint, name: str
) -> None:
    outcome = entrypoint(["true"], hooks={f"9{name}": STOCK / name})
    assert (outcome.exit_status, outcome.started_command) == (78, False)
    (line,) = outcome.log.lines
    assert line.startswith(f"entrykit: 9{name}: it is given no section of the configuration;")
    assert "keeps its name" in line
