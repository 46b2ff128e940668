"""A tool in one line: what the model needs to choose it and to call it, in a tenth of its JSON Schema."""

import re
from collections.abc import Mapping
from typing import Any

MAX_PARAMETERS = 12
MAX_SIGNATURE = 240
TERSE_SIGNATURE = 100
"""Of a hit that is less likely to be the one."""
MAX_SUMMARY = 100
MAX_CHOICES = 6
MAX_ALTERNATIVES = 40
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict", "array": "list", "null": "null"}
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z]|\s*$)")


def signature(definition: Mapping[str, Any], name: str, length: int = MAX_SIGNATURE) -> str:
    """`name(required: str, optional?: int)`; optional parameters beyond `length` characters are cut, required ones never are."""
    schema = definition["inputSchema"]
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = [item for item in schema.get("required") or () if item in properties]
    optional = [item for item in properties if item not in required]
    parts = [f"{item}: {_kind(properties[item])}" for item in required]
    room = length - len(name) - sum(len(part) + 2 for part in parts)
    for count, item in enumerate(optional):
        part = f"{item}?: {_kind(properties[item])}"
        room -= len(part) + 2
        if room < 0 or len(parts) >= MAX_PARAMETERS:
            parts.append(f"…{len(optional) - count} more")
            break
        parts.append(part)
    return f"{name}({', '.join(parts)})"


def summary(definition: Mapping[str, Any], limit: int = MAX_SUMMARY) -> str:
    """The first sentence of the description, or the title."""
    text = " ".join(str(definition.get("description") or definition.get("title") or "").split())
    if (end := _SENTENCE_END.search(text)) is not None:
        text = text[: end.start()]
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _kind(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    choices = schema.get("enum")
    if isinstance(choices, list) and 0 < len(choices) <= MAX_CHOICES:
        text = "|".join(_literal(choice) for choice in choices)
        if len(text) <= 60:
            return text
    kind = schema.get("type")
    if isinstance(kind, list):
        return "|".join(_scalar(item) for item in kind if item != "null") or "any"
    if kind == "array":
        items = schema.get("items")
        inner = _kind(items) if isinstance(items, dict) else "any"
        return "list" if inner == "any" or len(inner) > 20 else f"{inner}[]"
    return _alternatives(schema) if kind is None else _scalar(kind)


def _alternatives(schema: dict[str, Any]) -> str:
    """Generated schemas say `anyOf` string or null for what is simply optional."""
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and 0 < len(options) <= MAX_CHOICES:
            kinds = dict.fromkeys(_kind(option) for option in options if option != {"type": "null"})
            text = "|".join(kinds)
            if "any" not in kinds and 0 < len(text) <= MAX_ALTERNATIVES:
                return text
    return "any"


def _scalar(kind: Any) -> str:
    return _SCALARS.get(kind, "any") if isinstance(kind, str) else "any"


def _literal(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
