"""What `tools/list` and `tools/call` mean at this endpoint, in every mode; knows MCP's shapes but not its transport."""

import logging
import time
from typing import Any

import orjson

from .context import PLAIN, CallContext
from .errors import BAD_REQUEST, INTERNAL, CallFailure
from .invoke import Invoker, object_argument
from .lane import OnOutput, SandboxLane
from .naming import entry_id, split_id, with_entry_uris
from .paging import Entry, page
from .results import Result, failure_result, once, text_result, unchanged
from .rounds import StateRefused
from .routes import route
from .snapshot import Snapshot
from .telemetry import Telemetry
from .tools.code import execute_code
from .tools.definitions import definitions, offers_code
from .tools.discover import discover

log = logging.getLogger(__name__)


FOR_PROGRAMS = frozenset({-32021, -32042})
"""Refusals that a client acts on by itself: a capability it did not declare, an address the user has to visit first."""


class UnknownTool(Exception):
    """The client called a name that tools/list does not have."""


class Endpoint:
    """Answers of the tool methods."""

    def __init__(self, invoker: Invoker, lane: SandboxLane, telemetry: Telemetry) -> None:
        self._invoker = invoker
        self._lane = lane
        self._telemetry = telemetry

    def list_tools(self, cursor: str | None, server: str | None = None) -> dict[str, Any]:
        """The meta-tools; in mcp_only mode a page of the real tools, on a `server`'s route of its own under their own names."""
        try:
            snapshot = self._invoker.snapshot()
        except CallFailure:
            return {"tools": []}
        result = _direct_page(snapshot, cursor, server) if snapshot.config.mode == "mcp_only" else {"tools": definitions(snapshot.config)}
        baseline = 0 if cursor else snapshot.direct_bytes
        self._telemetry.tokens(baseline=baseline, served=len(orjson.dumps(result["tools"], default=str)))
        return result

    def lists_real_tools(self) -> bool:
        """Whether tools/list shows the servers' own tools, which change with them."""
        snapshot = self._invoker_snapshot()
        return snapshot is None or snapshot.config.mode == "mcp_only"

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """The schema whose header annotations a modern client mirrors; None when it has none of ours."""
        snapshot = self._invoker_snapshot()
        name = _tool_id(name, route.get())
        if snapshot is None or snapshot.config.mode != "mcp_only" or name not in snapshot.tools:
            return None
        tool = snapshot.tools[name]
        return tool.definition["inputSchema"] if tool.header_map else None

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        context: CallContext = PLAIN,
        progress: OnOutput | None = None,
        server: str | None = None,
    ) -> Result:
        """The result of a call; failures are results too, so that the model can read them. `server` is that of the route.

        Raises `UnknownTool`, and `CallFailure` when the server refused in a way that means something to the client's program.
        """
        name = _tool_id(name, server)
        started = time.perf_counter()
        kind, outcome = "unknown", "cancelled"
        try:
            kind = self._kind(name)
            result = await self._dispatch(kind, name, arguments, context, progress)
            outcome = "tool_error" if result.get("isError") else "ok"
            if kind == "direct" and server is None and "content" in result:
                result["content"] = with_entry_uris(split_id(name)[0], result["content"])
            return result
        except CallFailure as failure:
            outcome = str(failure.code)
            if isinstance(failure, StateRefused) or (failure.rpc is not None and failure.rpc.code in FOR_PROGRAMS):
                raise
            return failure_result(failure)
        except UnknownTool:
            outcome = "404"
            raise
        except Exception:
            log.exception("call failed for a reason no rule foresaw", extra={"tool": kind})
            outcome = str(INTERNAL)
            return failure_result(CallFailure(INTERNAL, "the endpoint failed; its log tells why"))
        finally:
            self._telemetry.call(kind, outcome, time.perf_counter() - started)

    def _kind(self, name: str) -> str:
        snapshot = self._invoker.snapshot()
        mode = snapshot.config.mode
        if mode == "mcp_only":
            if name in snapshot.tools:
                return "direct"
            raise UnknownTool(f"unknown tool {name[:200]!r}")
        if name == "discover" or (name == "execute" and mode == "hybrid"):
            return name
        if name == "execute_code" and offers_code(snapshot.config.sandbox):
            return name
        hint = "pass it to execute as `tool`" if name in snapshot.tools and mode == "hybrid" else "find tools with discover"
        raise UnknownTool(f"unknown tool {name[:200]!r}: {hint}")

    async def _dispatch(self, kind: str, name: str, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
        if kind == "execute":
            tool = arguments.get("tool")
            if not isinstance(tool, str):
                raise CallFailure(BAD_REQUEST, "tool must be an id such as server.tool")
            return once(await self._invoker.invoke(tool, object_argument(arguments, "arguments"), context))
        if kind == "discover":
            text = discover(self._invoker.snapshot(), arguments)
            self._telemetry.tokens(served=len(text.encode()))
            return text_result(text)
        if kind == "execute_code":
            return await execute_code(self._lane, self._invoker, arguments, progress=progress)
        return unchanged(await self._invoker.invoke(name, arguments, context))

    def _invoker_snapshot(self) -> Snapshot | None:
        try:
            return self._invoker.snapshot()
        except CallFailure:
            return None


def _tool_id(name: str, server: str | None) -> str:
    return name if server is None else entry_id(server, name)


def _direct_page(snapshot: Snapshot, cursor: str | None, server: str | None) -> dict[str, Any]:
    tools = snapshot.tools.values()
    if server is None:
        return page("tools", [Entry(tool.server, tool.name, tool.listed) for tool in tools], cursor)
    return page("tools", [Entry(server, tool.name, tool.definition) for tool in tools if tool.server == server], cursor)
