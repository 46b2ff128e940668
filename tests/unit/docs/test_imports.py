"""A room imports what its pyproject.toml lists and nothing else: its image holds no more than that."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
ROOMS = ("api", "operator", "server", "sandbox", "devcluster")
# Distributions whose module has another name.
MODULES = {"pyyaml": "yaml"}


def imported(room: str) -> set[str]:
    """Top-level modules that the room's code imports, apart from its own and the standard library's."""
    found: set[str] = set()
    for path in (CHECKOUT / room / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).split(".")[0])
    own = {path.name for path in (CHECKOUT / room / "src").iterdir()}
    return found - own - set(sys.stdlib_module_names)


def declared(room: str) -> set[str]:
    """Modules of the distributions that the room depends on."""
    lines = tomllib.loads((CHECKOUT / room / "pyproject.toml").read_text())["project"].get("dependencies", [])
    names = [re.split(r"[<>=~;\[ ]", line)[0] for line in lines]
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_declares_what_it_imports(room: str) -> None:
    assert imported(room) - declared(room) == set()
