"""One tool as a function: its parameters, their types and its text, as data that the sandbox builds the function from."""

from collections.abc import Mapping
from typing import Any, Final

from .identifiers import identifiers
from .kinds import MAX_TYPES, Kinds, is_scalar

Description = dict[str, Any]
MAX_DOC: Final = 2000
MAX_PARAMETERS: Final = 100


def describe(definition: Mapping[str, Any], tool_id: str) -> Description:
    """{"id", "doc", "parameters": [{"name", "key"?, "type", "default"?}], "required": [names], "more"?, "returns"}.

    `key` is the tool's own name of a parameter where that is no Python name; `more` says that the tool takes other arguments too.
    """
    schema = definition["inputSchema"]
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = _required(schema)
    # What is required is always there: without it no call would be right.
    shown = required + [key for key in properties if key not in required]
    names = {key: name for name, key in identifiers(shown[: max(MAX_PARAMETERS, len(required))], "argument").items()}
    kinds = Kinds(schema)
    found: Description = {
        "id": tool_id,
        "doc": _doc(definition, names),
        "parameters": [_parameter(names[key], key, properties.get(key), kinds) for key in shown if key in names],
        "required": [names[key] for key in required],
        "returns": _returned(definition.get("outputSchema")),
    }
    extra = schema.get("additionalProperties")
    if not properties or extra is True or isinstance(extra, dict) or len(names) < len(shown) or "patternProperties" in schema:
        found["more"] = True
    return found


def _required(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    listed = [key for key in required if isinstance(key, str)] if isinstance(required, list) else []
    return list(dict.fromkeys(listed))[:MAX_TYPES]


def _parameter(name: str, key: str, schema: Any, kinds: Kinds) -> Description:
    found: Description = {"name": name, "type": kinds.kind(schema, key)}
    if name != key:
        found["key"] = key
    if isinstance(schema, dict) and is_scalar(default := schema.get("default")):
        found["default"] = default
    return found


def _returned(schema: Any) -> Any:
    return Kinds(schema).kind(schema, "result") if isinstance(schema, dict) else "Any"


def _doc(definition: Mapping[str, Any], names: Mapping[str, str]) -> str:
    text = str(definition.get("description") or definition.get("title") or "").strip()
    if len(text) > MAX_DOC:
        text = text[: MAX_DOC - 1].rstrip() + "…"
    renamed = [f"{name} is the tool's {key[:200]!r}" for key, name in names.items() if name != key]
    return "\n\n".join(part for part in (text, "; ".join(renamed[:20])) if part)
