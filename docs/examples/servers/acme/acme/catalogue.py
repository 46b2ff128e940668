"""The catalogue: family files become tool definitions and the functions behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match
from mcp import types

from acme.operations import READ_ONLY, VERBS, Operation
from acme.records import Records, Refused, Row, plain

FOLDER = Path(__file__).parent / "families"
SHARED = "shared"


@dataclass(frozen=True)
class Entry:
    """One tool: what clients see, how arguments are checked, what it does."""

    definition: types.Tool
    validator: Draft202012Validator
    operation: Operation


class Catalogue:
    """Tools of the chosen families over one set of records."""

    def __init__(self, entries: Iterable[Entry], records: Records) -> None:
        self._entries = {entry.definition.name: entry for entry in entries}
        self._records = records
        self.definitions = [entry.definition for entry in self._entries.values()]

    def call(self, name: str, arguments: Row) -> Row:
        """Run one tool; Refused says what is wrong with the request."""
        entry = self._entries.get(name)
        if entry is None:
            raise Refused(f"there is no tool {name!r}")
        problem = best_match(entry.validator.iter_errors(arguments))
        if problem is not None:
            raise Refused(f"{'.'.join(str(part) for part in problem.absolute_path) or 'arguments'}: {problem.message}")
        self._records.check_references(arguments)
        return entry.operation(self._records, dict(arguments))


def schema_of(parameter: Row) -> Row:
    """What clients see of a parameter; how it filters is ours."""
    return {name: value for name, value in parameter.items() if name not in ("column", "test")}


def entry(family: str, name: str, tool: Row, parameters: Row) -> Entry:
    """One tool from its lines in a family file."""
    names = [*tool.get("need", ()), *tool.get("may", ())]
    missing = [parameter for parameter in names if parameter not in parameters]
    if missing:
        raise ValueError(f"family {family}, tool {name}: parameters {missing} are not described")
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: schema_of(parameters[key]) for key in names},
        "additionalProperties": False,
    }
    if tool.get("need"):
        schema["required"] = list(tool["need"])
    filters = {key: (parameters[key].get("column", key), parameters[key].get("test", "=")) for key in names}
    does = tool["does"]
    verb = next(iter(does))
    reads = verb in READ_ONLY or (verb == "special" and tool.get("reads", True))
    definition = types.Tool(
        name=f"{family}_{name}",
        title=name.replace("_", " ").capitalize(),
        description=" ".join(tool["about"].split()),
        input_schema=schema,
        annotations=types.ToolAnnotations(read_only_hint=True) if reads else types.ToolAnnotations(destructive_hint=verb == "delete"),
    )
    return Entry(definition, Draft202012Validator(schema, format_checker=FormatChecker()), VERBS[verb](does, filters))


def read(family: str) -> dict[str, Any]:
    """A family file."""
    with (FOLDER / f"{family}.yaml").open("rb") as source:
        content: dict[str, Any] = plain(yaml.load(source, Loader=yaml.CSafeLoader))
    return content


@cache
def families() -> dict[str, dict[str, Any]]:
    """All family files by name. Shared by every catalogue: records are copied from it, never changed in it."""
    return {path.stem: read(path.stem) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != SHARED}


def load(chosen: list[str] | None = None) -> Catalogue:
    """The catalogue of these families; without a choice, of every family of the company itself."""
    known = families()
    unknown = sorted(set(chosen or ()) - known.keys())
    if unknown:
        raise SystemExit(f"ACME_FAMILIES names unknown families {', '.join(unknown)}: choose from {', '.join(known)}")
    names = chosen or [name for name, family in known.items() if not family.get("public", False)]
    shared = read(SHARED)["parameters"]
    seeds = {name: seed for family in names for name, seed in known[family].get("collections", {}).items()}
    entries = [
        entry(family, name, tool, {**shared, **known[family].get("parameters", {})})
        for family in names
        for name, tool in known[family]["tools"].items()
    ]
    return Catalogue(entries, Records(seeds))
