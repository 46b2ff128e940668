"""What a server says it offers, made safe to keep, search and show: bounded, well-formed, one tool per name."""

import json
import logging
import unicodedata
from collections.abc import Iterable
from typing import Any

import orjson
from mcp.shared.inbound import find_invalid_x_mcp_header
from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

log = logging.getLogger(__name__)

MAX_TOOLS = 5000
MAX_NAME = 128
MAX_DESCRIPTION = 4000
MAX_DEFINITION = 64 * 1024
MAX_DEPTH = 40
STRICTEST_VERSION = "2025-11-25"
OPTIONAL_FIELDS = ("outputSchema", "annotations", "title")

Definition = dict[str, Any]


def sanitise(server: str, tools: Iterable[Any]) -> tuple[Definition, ...]:
    """The tools worth keeping, sorted by name. What is dropped is logged by number, never by content."""
    kept: dict[str, Definition] = {}
    dropped = 0
    for tool in tools:
        definition = _definition(tool)
        if definition is None or definition["name"] in kept or len(kept) >= MAX_TOOLS:
            dropped += 1
            continue
        kept[definition["name"]] = definition
    if dropped:
        log.warning("tools with unusable definitions dropped", extra={"server": server, "dropped": dropped})
    return tuple(kept[name] for name in sorted(kept))


def _definition(tool: Any) -> Definition | None:
    if not isinstance(tool, dict) or not _usable_name(tool.get("name")):
        return None
    schema = tool.get("inputSchema")
    definition: Definition = {
        "name": tool["name"],
        "inputSchema": {"type": "object", **schema} if isinstance(schema, dict) else {"type": "object"},
    }
    if isinstance(tool.get("description"), str):
        definition["description"] = clean_text(tool["description"][: 2 * MAX_DESCRIPTION])[:MAX_DESCRIPTION]
    definition.update({field: tool[field] for field in OPTIONAL_FIELDS if tool.get(field) is not None})
    if isinstance(definition.get("title"), str):
        definition["title"] = clean_text(definition["title"][:MAX_DESCRIPTION])
    # A client has to leave out a tool whose arguments it could not repeat in headers. Bounded first: the check walks the whole schema.
    if not bounded(definition) or find_invalid_x_mcp_header(definition["inputSchema"]) is not None:
        return None
    return _valid(definition)


def _valid(definition: Definition) -> Definition | None:
    """The definition without the optional parts that a client would refuse; None when the rest is refused too."""
    for candidate in (definition, {key: value for key, value in definition.items() if key not in OPTIONAL_FIELDS}):
        try:
            serialize_server_result("tools/list", STRICTEST_VERSION, {"tools": [candidate]})
        except ValidationError:
            continue
        return candidate
    return None


def _usable_name(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable() and not any(c.isspace() for c in name)


def clean_text(text: str) -> str:
    """Text without control and invisible formatting characters, in which instructions to a model hide from human eyes."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs"))


def bounded(definition: Definition) -> bool:
    if _depth(definition) > MAX_DEPTH:
        return False
    try:
        return len(orjson.dumps(definition)) <= MAX_DEFINITION
    except TypeError:  # integers beyond 64 bits
        return len(json.dumps(definition)) <= MAX_DEFINITION


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below
    return depth
