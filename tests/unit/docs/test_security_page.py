"""The table of attacks and the attacks themselves are the same list."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = ROOT / "tests" / "attack" / "rows"


def test_the_page_has_a_line_for_each_attack_and_each_attack_a_line() -> None:
    named = {int(number): title for number, title in re.findall(r"^\| (\d+) \| ([^|]+) \|", PAGE, flags=re.MULTILINE)}
    made = sorted(int(path.name[1:3]) for path in ROWS.glob("r[0-9][0-9]_*.py"))
    assert sorted(named) == list(range(1, 23))
    assert set(made) <= set(named), "tests/attack/rows and docs/security.md differ"


def test_every_line_names_a_control_and_only_attacks_without_one_are_without_proof() -> None:
    controls = dict(re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]*) \|", PAGE, flags=re.MULTILINE))
    for module in ROWS.glob("r[0-9][0-9]_*.py"):
        number = str(int(module.name[1:3]))
        assert controls[number].strip()
        assert "Control(" in module.read_text(), f"row {number} proves none of its controls"
