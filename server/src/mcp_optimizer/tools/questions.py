"""What job code asks the endpoint itself, beside its tool calls: which tools there are, what they are like, which do this.

Answered from the snapshot in force, so that code finds exactly what it may call.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from mcp_optimizer.discovery import Discovery
from mcp_optimizer.errors import BAD_REQUEST, INTERNAL, NOT_FOUND, CallFailure
from mcp_optimizer.invoke import resolve
from mcp_optimizer.lane import CallOutcome
from mcp_optimizer.results import compact
from mcp_optimizer.snapshot import Snapshot, Tool
from mcp_optimizer.stubs.modules import Descriptions
from mcp_optimizer_api.job import CallError

from .schema import slim
from .signature import signature, summary

MAX_HITS: Final = 50
MAX_QUERY: Final = 2000
MAX_NAME: Final = 256
MAX_DESCRIBED: Final = 200
MAX_STUB_BYTES: Final = 256 * 1024
"""Of descriptions that come with a server's names; the others come one by one when they are used."""
AT_ONCE: Final = 20
"""Descriptions that are built before others have a turn."""


class Questions:
    """One per process."""

    def __init__(self, snapshot: Callable[[], Snapshot], discovery: Discovery) -> None:
        self._snapshot = snapshot
        self._discovery = discovery
        self._descriptions = Descriptions()
        self._answers = {"$servers": self._servers, "$stubs": self._stubs, "$search": self._search, "$describe": self._describe}

    async def answer(self, question: str, arguments: dict[str, Any]) -> CallOutcome:
        """The answer as a job sees it. Never raises for a wrong question."""
        try:
            answer = self._answers.get(question)
            if answer is None:
                raise CallFailure(NOT_FOUND, f"no question {question[:40]!r}: there are {', '.join(self._answers)}")
            return CallOutcome(ok=True, value=await answer(self._snapshot(), arguments))
        except CallFailure as failure:
            return CallOutcome(ok=False, error=CallError(code=failure.code, message=failure.message))
        except RecursionError:
            return CallOutcome(ok=False, error=CallError(code=INTERNAL, message="the catalogue is nested too deeply to be told"))

    async def _servers(self, snapshot: Snapshot, arguments: dict[str, Any]) -> list[str]:
        return [name for name, server in snapshot.modules.servers.items() if server in snapshot.by_server]

    async def _stubs(self, snapshot: Snapshot, arguments: dict[str, Any]) -> dict[str, Any]:
        """A server's functions by name; null for those whose description is left for later. With `tool`: that one."""
        wanted = _text(arguments, "server", MAX_NAME)
        server = snapshot.modules.servers.get(wanted)
        if server is None:
            raise CallFailure(NOT_FOUND, f"tools has no {wanted!r}{_hint(snapshot.modules.like_server(wanted))}")
        if arguments.get("tool") is None:
            return await self._module(snapshot, server)
        name = _text(arguments, "tool", MAX_NAME)
        tool = snapshot.modules.tool(server, name)
        if tool is None:
            near = [snapshot.modules.path(snapshot.tools[tool_id]) for tool_id in snapshot.names.nearest(f"{server}.{name}")]
            raise CallFailure(NOT_FOUND, f"tools.{wanted} has no {name!r}{_hint(near)}")
        return {name: self._descriptions.of(tool)}

    async def _module(self, snapshot: Snapshot, server: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        room = MAX_STUB_BYTES
        for number, (name, tool) in enumerate(snapshot.modules.tools(server).items()):
            found[name] = None
            if number < MAX_DESCRIBED and room > 0:
                described = self._descriptions.of(tool)
                room -= len(compact(described))
                found[name] = described if room > 0 else None
            if number % AT_ONCE == AT_ONCE - 1 and room > 0:
                await asyncio.sleep(0)
        return found

    async def _search(self, snapshot: Snapshot, arguments: dict[str, Any]) -> list[dict[str, str]]:
        query, limit = _text(arguments, "query", MAX_QUERY), arguments.get("limit", 8)
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_HITS:
            raise CallFailure(BAD_REQUEST, f"limit must be a whole number from 1 to {MAX_HITS}")
        find = await self._discovery.finder(snapshot, query)
        found = find(query, limit)
        find.shown(found, 0)
        return [_hit(tool) for tool in found]

    async def _describe(self, snapshot: Snapshot, arguments: dict[str, Any]) -> dict[str, Any]:
        tool = resolve(snapshot, _text(arguments, "tool", MAX_NAME))
        more: dict[str, Any] = {"description": tool.definition.get("description", ""), "inputSchema": slim(tool.definition["inputSchema"])}
        if isinstance(output := tool.definition.get("outputSchema"), dict):
            more["outputSchema"] = slim(output)
        return {**_hit(tool), **more}


def _hit(tool: Tool) -> dict[str, str]:
    return {"id": tool.id, "signature": signature(tool.definition, tool.id), "purpose": summary(tool.definition)}


def _hint(near: list[str]) -> str:
    return f": did you mean {', '.join(near)}?" if near else ": search() finds tools"


def _text(arguments: dict[str, Any], name: str, most: int) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise CallFailure(BAD_REQUEST, f"{name} must be text of 1 to {most} characters")
    return value
