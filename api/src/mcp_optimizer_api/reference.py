"""The field reference in docs/reference, generated from the models, so that it cannot be older than they are.

`python -m mcp_optimizer_api.reference [--check] FOLDER` writes mcpoptimizer.md and mcpserver.md, or says which of them differ.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from .cel import VALIDATIONS
from .crd import KINDS, NAME_RULE, Kind, write_or_check
from .names import API_VERSION
from .schema import Defaults, Schema, structural

HEAD = "| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n"


def page(kind: Kind) -> str:
    """The Markdown page of one resource."""
    spec = structural(kind.spec, defaults=Defaults.EFFECTIVE)
    status = structural(kind.status, defaults=Defaults.NONE)
    columns = ", ".join(f"{column.name}{' (`-o wide`)' if column.priority else ''}" for column in kind.columns)
    return (
        f"# {kind.kind}\n\n"
        "Generated from `api/src/mcp_optimizer_api` by `make docs`; change the models, not this page.\n\n"
        f"{kind.description}\n\n"
        f"`apiVersion: {API_VERSION}`, `kind: {kind.kind}`, namespaced. kubectl: `{kind.plural}`, short `{kind.short}`, category `mcp`;\n"
        f"columns: {columns}. Subresources: `status`, `scale`.\n\n"
        f"## spec\n\n{HEAD}{''.join(_rows(spec, 'spec'))}\n"
        "Unknown fields are refused. The API server checks these rules in addition, and says so in its error:\n\n"
        f"- {NAME_RULE['message']}\n{''.join(_rules(spec, 'spec'))}\n"
        "## status\n\nWritten by the operator only. Conditions and their reasons: [conditions.md](conditions.md).\n\n"
        f"{HEAD}{''.join(_rows(status, 'status'))}"
    )


def _rows(node: Schema, path: str) -> Iterator[str]:
    required = node.get("required", [])
    for name, below in node.get("properties", {}).items():
        here = f"{path}.{name}"
        default = "required" if name in required else _default(below)
        yield f"| `{here}` | {_type(below)} | {default} | {_bounds(below)} | {below.get('description', '')} |\n"
        yield from _rows(below, here)
        yield from _rows(below.get("items", {}), f"{here}[]")


def _default(node: Schema) -> str:
    if "default" not in node or isinstance(node["default"], dict):
        return ""
    return f"`{node['default'] if isinstance(node['default'], str) else json.dumps(node['default'])}`"


def _type(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "items" in node:
        inner = _type(node["items"])
        return f"list of {inner.replace('list', 'lists', 1) if inner.startswith('list') else inner + 's'}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}s"
    return "time" if node.get("format") == "date-time" else str(node["type"])


def _bounds(node: Schema) -> str:
    if "enum" in node:
        return " \\| ".join(f"`{value}`" for value in node["enum"])
    least, most = node.get("minimum"), node.get("maximum")
    if least is not None or most is not None:
        return f"{least} to {most}" if None not in (least, most) else f"at least {least}" if most is None else f"at most {most}"
    for keyword, unit in (("maxLength", "characters"), ("maxItems", "entries"), ("maxProperties", "entries")):
        if keyword in node:
            return f"at most {node[keyword]} {unit}"
    return ""


def _rules(node: Schema, path: str) -> Iterator[str]:
    for rule in node.get(VALIDATIONS, []):
        yield f"- `{path}{rule.get('fieldPath', '')}`: {rule['message']}\n"
    for name, below in node.get("properties", {}).items():
        yield from _rules(below, f"{path}.{name}")
    if "items" in node:
        yield from _rules(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from _rules(node["additionalProperties"], f"{path}.*")


def main(arguments: list[str] | None = None) -> int:
    """Write, or with --check compare; 1 when something differs."""
    parser = argparse.ArgumentParser(prog="python -m mcp_optimizer_api.reference", description="Write the field reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name each file that differs")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    return write_or_check({options.folder / f"{kind.kind.lower()}.md": page(kind) for kind in KINDS}, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
