"""Proofs of the attack suite that need no cluster: a wall that moved must not take its proof along unnoticed until the suite runs."""

import asyncio
import inspect
import os
import subprocess
import sys

import pytest
from tests.agent_process import SOURCE
from tests.attack.rows import all_rows
from tests.attack.vocabulary import Control, Removal

CONTROLS = [(row.number, control) for row in all_rows() for control in row.controls]
INSIDE = [(number, control) for number, control in CONTROLS if control.prove and "inside.proof" in inspect.getsource(control.prove)]
REMOVALS = {
    removal.agent: removal
    for _, control in CONTROLS
    for removal in (*control.others, *([control.off] if control.off else []))
    if removal.agent
}


@pytest.mark.parametrize(("number", "control"), INSIDE, ids=lambda value: value.name if isinstance(value, Control) else str(value))
def test_a_wall_of_the_server_holds_and_without_it_the_attack_succeeds(number: int, control: Control) -> None:
    assert control.prove is not None
    assert asyncio.run(control.prove(None)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=lambda removal: removal.name)
def test_what_takes_a_wall_out_of_the_agent_finds_the_wall(removal: Removal) -> None:
    """Every name that it sets was there before, and the agent can still be imported."""
    guard = (
        "import types, importlib, pkgutil, mcp_sandbox\n"
        "modules = [importlib.import_module('mcp_sandbox.' + m.name) for m in pkgutil.iter_modules(mcp_sandbox.__path__) if m.name != '__main__']\n"
        "before = {module.__name__: set(vars(module)) for module in modules}\n"
        f"exec({removal.agent!r}, {{}})\n"
        "new = [(m.__name__, n) for m in modules for n in set(vars(m)) - before[m.__name__]]\n"
        "assert not new, new\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", guard], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
