"""A server that keeps notes: its tools have effects that a test can look at afterwards."""

import asyncio
import json
from typing import Any

from tests.integration.server.upstreams import Modern

_OBJECT = {"type": "object"}
DESK: list[dict[str, Any]] = [
    {
        "name": "write_note",
        "description": "Write a note.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}, "tags": {"type": "array"}}, "required": ["text"]},
    },
    {
        "name": "burn_note",
        "description": "Burn a note.",
        "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
    },
    {"name": "tear_note", "description": "Fail after a while.", "inputSchema": _OBJECT},
    {
        "name": "read_book",
        "description": "Return a long text.",
        "inputSchema": {"type": "object", "properties": {"lines": {"type": "integer"}}},
    },
    {"name": "draw", "description": "Return a picture.", "inputSchema": _OBJECT},
    {"name": "ask_back", "description": "Ask the client first.", "inputSchema": _OBJECT},
    {"name": "hold", "description": "Wait for the test.", "inputSchema": _OBJECT},
    {"name": "meet", "description": "Wait until another call meets this one.", "inputSchema": _OBJECT},
]


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def book(lines: int) -> str:
    return "\n".join(f"line {number:06} of the böok" for number in range(lines))


class Desk(Modern):
    """Notes by number; `burnt` in the order in which they burnt."""

    def __init__(self) -> None:
        super().__init__(DESK)
        self.notes: dict[int, dict[str, Any]] = {}
        self.burnt: list[int] = []
        self.waiting: list[asyncio.Event] = []
        self.held = self.most_held = 0
        self.release = asyncio.Event()
        self.stuck = asyncio.Event()

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method != "tools/call":
            return await super().answer(method, params)
        self.calls.append(params)
        return await getattr(self, params["name"])(params.get("arguments") or {})

    async def write_note(self, arguments: dict[str, Any]) -> dict[str, Any]:
        number = len(self.notes) + len(self.burnt) + 1
        self.notes[number] = arguments
        data = {"note": {"id": number, "lines": arguments["text"].split("\n")}}
        return {"content": [{"type": "text", "text": json.dumps(data, indent=2)}], "structuredContent": data}

    async def burn_note(self, arguments: dict[str, Any]) -> dict[str, Any]:
        del self.notes[arguments["id"]]
        self.burnt.append(arguments["id"])
        return text("ash")

    async def tear_note(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {**text("the paper is too thick"), "isError": True}

    async def read_book(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return text(book(arguments["lines"]))

    async def draw(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": "a cat"}, {"type": "image", "data": "aGk=", "mimeType": "image/png"}]}

    async def ask_back(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = {
            "method": "elicitation/create",
            "params": {"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}},
        }
        return {"resultType": "input_required", "inputRequests": {"sure": asked}, "requestState": "s"}

    async def hold(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.held += 1
        self.most_held = max(self.held, self.most_held)
        await self.release.wait()
        self.held -= 1
        return text("held")

    async def meet(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("forever"):
            self.stuck.set()
            await asyncio.Event().wait()
        met = asyncio.Event()
        self.waiting.append(met)
        if len(self.waiting) % 2 == 0:
            for other in self.waiting:
                other.set()
        await met.wait()
        return text("met")
