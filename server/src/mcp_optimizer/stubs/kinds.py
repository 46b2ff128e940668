"""A JSON Schema as a Python type, told in JSON: "str", ["list", "int"], ["literal", "open", "closed"], ["union", "str", "None"],
["dict", "int"], ["typed", "Label", {"name": "str"}, ["name"]]. What has no such form is "Any".

Schemas are a stranger's: references are followed to a depth only, and one tool has a number of types only.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from .identifiers import identifier

Kind = str | list[Any]
MAX_DEPTH: Final = 5
MAX_TYPES: Final = 300
"""Of one tool."""
MAX_FIELDS: Final = 40
MAX_CHOICES: Final = 24
MAX_CHOICE: Final = 60
"""Characters of a text in a Literal."""
_SCALARS: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


class Kinds:
    """Types of the schemas of one tool. `root` holds what references lead to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_TYPES

    def kind(self, schema: Any, name: str, depth: int = 0) -> Kind:
        """The type of values that fit `schema`; objects are called after `name`."""
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0 or not isinstance(schema, dict):
            return "Any"
        if isinstance(reference := schema.get("$ref"), str):
            return self.kind(self._target(reference), reference.rpartition("/")[2] or name, depth + 1)
        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(choices, list) and _are_literals(choices):
            return ["literal", *choices]
        for keyword in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(keyword), list) and 0 < len(options) <= MAX_CHOICES:
                return _union([self.kind(option, name, depth + 1) for option in options])
        types = schema.get("type")
        if isinstance(types, list) and 0 < len(types) <= len(_SCALARS) + 2:
            return _union([self._typed(item, schema, name, depth) for item in types])
        return self._typed(types, schema, name, depth)

    def _typed(self, kind: Any, schema: dict[str, Any], name: str, depth: int) -> Kind:
        if kind == "array":
            items = self.kind(schema["items"], name, depth + 1) if isinstance(schema.get("items"), dict) else "Any"
            return "list" if items == "Any" else ["list", items]
        if kind == "object" or (kind is None and isinstance(schema.get("properties"), dict)):
            return self._object(schema, name, depth)
        return _SCALARS.get(kind, "Any") if isinstance(kind, str) else "Any"

    def _object(self, schema: dict[str, Any], name: str, depth: int) -> Kind:
        properties = schema.get("properties")
        if isinstance(properties, dict) and 0 < len(properties) <= MAX_FIELDS and depth < MAX_DEPTH:
            required = schema.get("required")
            needed = [key for key in required if isinstance(key, str) and key in properties] if isinstance(required, list) else []
            return ["typed", class_name(name), {key: self.kind(below, key, depth + 1) for key, below in properties.items()}, needed]
        more = schema.get("additionalProperties")
        values = self.kind(more, name, depth + 1) if isinstance(more, dict) and more and not properties else "Any"
        return "dict" if values == "Any" else ["dict", values]

    def _target(self, reference: str) -> Any:
        """What a reference into the schema itself leads to; None for all others."""
        if not reference.startswith("#/"):
            return None
        found: Any = self._root
        for part in reference[2:].split("/")[:MAX_DEPTH]:
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found


def class_name(name: str) -> str:
    """`pull_request` as PullRequest."""
    words = [word for word in identifier(name, "item").split("_") if word]
    return identifier("".join(word[0].upper() + word[1:] for word in words)[:60], "Item")


def _are_literals(choices: list[Any]) -> bool:
    if not 0 < len(choices) <= MAX_CHOICES:
        return False
    return all(
        (isinstance(choice, str) and len(choice) <= MAX_CHOICE) or choice is None or isinstance(choice, bool | int) for choice in choices
    )


def _union(kinds: list[Kind]) -> Kind:
    different = [kind for number, kind in enumerate(kinds) if kind not in kinds[:number]]
    if "Any" in different:
        return "Any"
    return different[0] if len(different) == 1 else ["union", *different]


def is_scalar(value: Any) -> bool:
    """Whether this can be shown as a default: short, and the same in Python."""
    if isinstance(value, float):
        return math.isfinite(value)
    return (isinstance(value, str) and len(value) <= MAX_CHOICE) or isinstance(value, bool | int)
