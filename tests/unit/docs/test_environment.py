"""Every environment variable that is read is documented, and every documented one is read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
CONTRACT = (CHECKOUT / "docs" / "contract.md").read_text()
DEVELOPMENT = (CHECKOUT / "docs" / "development.md").read_text()
MAPPINGS = ("env", "environ", "environment", "os.environ")
VARIABLE = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")
PROGRAMS = {
    "python -m mcp_operator": "operator/src",
    "python -m mcp_optimizer": "server/src",
    "python -m mcp_sandbox": "sandbox/src",
}
# Every machine has it.
EVERYWHERE = {"PATH"}


def words(node: ast.expr) -> list[str]:
    """The strings among these arguments that could name a variable."""
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value) else []


def reads(tree: ast.AST) -> Iterator[str]:
    """Names asked of a mapping that is called like an environment, directly or by a helper that gets both as arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) in MAPPINGS:
            yield from words(node.slice)
        elif isinstance(node, ast.Call):
            asked = isinstance(node.func, ast.Attribute) and node.func.attr == "get" and ast.unparse(node.func.value) in MAPPINGS
            passed = bool(node.args) and ast.unparse(node.args[0]) in MAPPINGS
            names = [word for argument in node.args for word in words(argument)]
            yield from names[:1] if asked or passed else []


def read_below(*folders: str) -> set[str]:
    """Variables that the Python files of these folders read."""
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*.py")]
    assert files
    return {name for path in files for name in reads(ast.parse(path.read_text()))} - EVERYWHERE


def table_after(page: str, text: str) -> set[str]:
    """Variables in the first column of the first table after this text."""
    rows = page.split(text, 1)[1].split("| variable |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.mark.parametrize("command", PROGRAMS)
def test_the_contract_lists_what_a_program_reads(command: str) -> None:
    assert table_after(CONTRACT, f"command `{command}`") == read_below(PROGRAMS[command])


def test_the_development_page_lists_what_the_tooling_reads() -> None:
    read = read_below("scripts", "devcluster/src", "tests/e2e", "bench")
    read |= {name for path in (CHECKOUT / "tests").glob("*.py") for name in reads(ast.parse(path.read_text()))} - EVERYWHERE
    read |= set(re.findall(r"\$\{([A-Z_]+):-", "".join(path.read_text() for path in (CHECKOUT / "scripts").glob("*.sh"))))
    assert table_after(DEVELOPMENT, "## Running things") == read
