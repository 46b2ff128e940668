"""Tool definitions of the size and shape that real servers have, as many as wanted, the same every time."""

from typing import Any

ACTIONS = ("create", "list", "get", "update", "delete", "search", "export", "archive", "restore", "share", "assign", "close", "merge")
THINGS = (
    "invoice", "ticket", "customer", "repository", "branch", "deployment", "calendar event", "message", "document", "spreadsheet",
    "database", "backup", "certificate", "user account", "permission", "report", "dashboard", "alert", "pipeline", "order", "shipment",
    "product", "subscription", "payment", "contract", "meeting", "photo", "playlist", "recipe", "flight", "hotel room", "sensor",
)  # fmt: skip
AREAS = ("sales", "support", "finance", "engineering", "operations", "marketing", "legal", "travel", "research", "security")
CALL_TOOL = "create_invoice_0"
"""The tool that the load calls: the first of every catalogue."""


def definition(number: int) -> dict[str, Any]:
    """One tool with a paragraph of description and six parameters: about 1,000 bytes."""
    action = ACTIONS[number % len(ACTIONS)]
    thing = THINGS[number % len(THINGS)]
    area = AREAS[number // 7 % len(AREAS)]
    properties = {
        "nonce": {"type": "string", "description": "Returned with the result."},
        "title": {"type": "string", "minLength": 1, "maxLength": 200, "description": f"Name of the {thing}, as people know it."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many results are wanted."},
        "state": {"type": "string", "enum": ["open", "closed", "all"], "description": f"Only a {thing} in this state."},
        "labels": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        "delay_ms": {"type": "integer", "minimum": 0},
    }
    return {
        "name": f"{action}_{thing.replace(' ', '_')}_{number}",
        "description": (
            f"{action.capitalize()} a {thing} in the {area} workspace. Needs the right to {action} in {area}. "
            f"Returns the {thing} with its identifier, its owner and the time of its last change."
        ),
        "inputSchema": {"type": "object", "properties": properties, "required": ["nonce", "title"], "additionalProperties": False},
    }


def catalogue(tools: int) -> list[dict[str, Any]]:
    """The first `tools` definitions."""
    return [definition(number) for number in range(tools)]


def queries(count: int) -> list[str]:
    """What a model would ask: an action, a thing and a place."""
    return [
        f"{ACTIONS[number * 5 % len(ACTIONS)]} the {THINGS[number * 3 % len(THINGS)]} for {AREAS[number % len(AREAS)]}"
        for number in range(count)
    ]
