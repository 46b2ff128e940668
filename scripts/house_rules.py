"""House rules no off-the-shelf linter knows: file and function length, and no package at operator/."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40


def tracked_python_files() -> list[Path]:
    """Python files git knows or would add."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"], check=True, capture_output=True, text=True
    ).stdout.split()
    return [Path(name) for name in names if Path(name).exists()]


def findings(path: Path) -> Iterator[str]:
    """One sentence per broken rule in this file."""
    text = path.read_text()
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{path}: {lines} lines, at most {MAX_FILE_LINES}: split it by concern"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"


def main() -> int:
    """Print every finding; exit 1 when there is one."""
    found = [line for path in tracked_python_files() for line in findings(path)]
    if Path("operator/__init__.py").exists():
        found.append("operator/__init__.py shadows the standard library's operator module: remove it")
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
