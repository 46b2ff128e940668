"""Servers and tools of the sizes that real ones have, as many as wanted, the same every time.

Sizes are quantiles of a log-normal distribution: a median of about 435 bytes per definition, a mean of about 690 and a 95th percentile of about 2,100.
527 tools of 70 public servers were measured to have 436, 693 and 1,981. Each definition is filled with parameters and sentences until it has its size.
"""

import itertools
import json
import math
import random
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

from bench.recall_files import Server

MEDIAN, SIGMA, SMALLEST, LARGEST = 440, 0.98, 170, 6212
TOOLS_PER_SERVER = 7.5
GOLDEN = 0.6180339887498949
ACTIONS = (
    "create", "list", "get", "update", "delete", "search", "export", "archive", "restore", "share", "assign", "approve", "merge", "import",
    "schedule", "cancel", "compare", "validate", "publish", "tag",
)  # fmt: skip
THINGS = (
    "invoice", "ticket", "customer", "repository", "branch", "deployment", "event", "message", "document", "spreadsheet", "database", "backup",
    "certificate", "account", "permission", "report", "dashboard", "alert", "pipeline", "order", "shipment", "product", "subscription", "payment",
    "contract", "meeting", "photo", "playlist", "recipe", "flight", "room", "sensor", "survey", "campaign", "lead", "course", "exam", "patient",
    "vehicle", "route", "license", "claim", "policy", "asset", "warehouse", "supplier", "budget", "timesheet", "candidate", "ledger",
)  # fmt: skip
FIELDS = (
    "id", "name", "limit", "cursor", "state", "owner", "labels", "created_after", "created_before", "sort", "format", "notify", "dry_run", "reason",
    "comment", "priority", "assignee", "tags", "parent_id", "metadata", "language", "currency", "amount", "due_date", "email", "include_archived",
)  # fmt: skip
SENTENCES = (
    "Needs the right to do so in the workspace.",
    "Returns the object with its identifier, its owner and the time of its last change.",
    "Results come in pages; pass the cursor of a page to get the next one.",
    "Times are in ISO 8601 and in UTC unless they carry an offset.",
    "Use this only after the user has confirmed what will happen.",
    "Archived objects are left out unless they are asked for.",
    "Fails with an error that names the field when a value is not allowed.",
    "For many objects at once prefer the export, which is made for that.",
    "Limits of the plan apply; the reply says how much of them is left.",
)


def catalogue(tools: int, seed: int = 4) -> list[Server]:
    """Servers with so many tools in all."""
    chance = random.Random(seed)
    definitions = list(itertools.islice(_definitions(chance), tools))
    count = max(1, round(tools / TOOLS_PER_SERVER))
    shares = [definitions[number * tools // count : (number + 1) * tools // count] for number in range(count)]
    return [
        Server(f"{part[0]['name'].partition('_')[2].replace('_', '-')}-{number}", "", tuple(part)) for number, part in enumerate(shares)
    ]


def size(definition: dict[str, Any]) -> int:
    """Bytes of its compact JSON."""
    return len(json.dumps(definition, separators=(",", ":")))


def query(definition: dict[str, Any]) -> str:
    """What a model would ask to find it: its action and its thing."""
    return str(definition["name"].rstrip("0123456789").strip("_").replace("_", " "))


def arguments(definition: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a realistic call: the required ones."""
    properties = definition["inputSchema"]["properties"]
    return {name: _value(properties[name]) for name in definition["inputSchema"].get("required", ())}


def _sizes() -> Iterator[float]:
    """Quantiles of the distribution in an order that fills it evenly, so that a small catalogue has the mean of a large one."""
    normal = NormalDist(math.log(MEDIAN), SIGMA)
    for number in itertools.count(1):
        yield min(max(math.exp(normal.inv_cdf(number * GOLDEN % 1)), SMALLEST), LARGEST)


def _definitions(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Each thing with some of the actions, in an order of its own: nobody offers all of them."""
    sizes = _sizes()
    for lap in itertools.count():
        for thing in chance.sample(THINGS, len(THINGS)):
            for action in chance.sample(ACTIONS, 7 if lap else 8):
                name = f"{action}_{thing}" + (f"_{lap}" if lap else "")
                yield _definition(chance, next(sizes), name, action, thing)


def _definition(chance: random.Random, wanted: float, name: str, action: str, thing: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "description": f"{action.capitalize()} a {thing}.",
        "inputSchema": {"type": "object", "properties": {}, "required": []},
    }
    schema = made["inputSchema"]
    fields, number = chance.sample(FIELDS, len(FIELDS)), 0
    while size(made) < wanted - 60:
        if chance.random() < 0.35:
            made["description"] += " " + chance.choice(SENTENCES)
            continue
        field = fields[number % len(fields)] + ("" if number < len(fields) else f"_{number}")
        schema["properties"][field] = _parameter(chance, field, thing)
        if number < 2:
            schema["required"].append(field)
        number += 1
    if not schema["required"]:
        del schema["required"]
    return made


def _parameter(chance: random.Random, field: str, thing: str) -> dict[str, Any]:
    described = {
        "description": f"The {field.replace('_', ' ')} of the {thing}{chance.choice(('', ', as its owner sees it', ' that is wanted'))}."
    }
    kind = chance.randrange(6)
    if kind == 0:
        return {"type": "integer", "minimum": 1, "maximum": 100, **described}
    if kind == 1:
        return {"type": "array", "items": {"type": "string"}, **described}
    if kind == 2:
        return {"type": "string", "enum": ["open", "closed", "all"], **described}
    return {"type": "string", **described} if kind < 5 else {"type": "boolean"}


def _value(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    return {"integer": 10, "number": 9.5, "array": ["blue"], "boolean": True, "object": {}}.get(schema["type"], "4711-0815")
