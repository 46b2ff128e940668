"""Decisions stay easy to find and short to read."""

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parents[3] / "docs" / "decisions").glob("*.md"))
PARTS = ("Context", "Decision", "Evidence", "Consequences")


def test_numbers_are_consecutive() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_number_and_its_four_parts_in_order_on_one_screen(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]} ")
    found = re.findall(r"^\*\*(\w+)[^*]*\.\*\*", text, flags=re.MULTILINE)
    assert tuple(found) == PARTS
    assert len(text.splitlines()) <= 40
