"""docs/reference/conditions.md lists exactly the types and reasons of the models."""

import re
from pathlib import Path

from mcp_optimizer_api.status import ConditionType, Reason

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "conditions.md"


def first_cells(heading: str) -> list[str]:
    """The first column of the table under this heading."""
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def test_every_condition_type_is_documented_once() -> None:
    assert first_cells("Types") == [str(kind) for kind in ConditionType]


def test_every_reason_is_documented_once() -> None:
    assert first_cells("Reasons") == [str(reason) for reason in Reason]


def test_every_reason_has_a_meaning_and_an_action() -> None:
    rows = [line.split("|") for line in PAGE.read_text().split("## Reasons\n", 1)[1].splitlines() if line.startswith("| `")]
    assert all(len(row) == 5 and row[2].strip() and row[3].strip() for row in rows)
