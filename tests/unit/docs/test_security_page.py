"""The table of attacks and the attacks themselves are the same list."""

import re
from pathlib import Path

import pytest
from tests.attack.rows import all_rows
from tests.attack.vocabulary import Row

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "security.md").read_text()
LINES = {
    int(number): (name, controls) for number, name, controls in re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|", PAGE, flags=re.MULTILINE)
}


def test_the_page_has_a_line_for_each_attack_and_each_attack_a_line() -> None:
    assert list(LINES) == [row.number for row in all_rows()] == list(range(1, 23))


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: str(row.number))
def test_a_line_has_the_name_of_its_attack_and_a_control_that_is_proven(row: Row) -> None:
    name, controls = LINES[row.number]
    assert name == row.name
    assert controls.strip() and row.controls
    assert not row.untested, "what is not tested stands in the last column, and counts as missing"
