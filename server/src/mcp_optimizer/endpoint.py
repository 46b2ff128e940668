"""What `tools/list` and `tools/call` mean at this endpoint, in every mode; knows MCP's shapes but not its transport."""

import logging
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from .admission import advise
from .artifacts import Artifacts
from .context import PLAIN, CallContext
from .discovery import Discovery
from .errors import INTERNAL, CallFailure
from .invoke import Invoker
from .lane import OnOutput
from .naming import entry_id, split_id, with_entry_uris
from .paging import Entry, page
from .results import Result, failure_result, once, text_result, unchanged
from .rounds import StateRefused
from .routes import route
from .snapshot import Snapshot, Tool
from .telemetry import Telemetry
from .tools.batch import Batch
from .tools.code import CodeTool
from .tools.cut import Cutter, Keeper
from .tools.definitions import definitions
from .tools.discover import discover
from .tools.plan import plan
from .tools.route import Fallback, Route, UnknownTool, route_of
from .tracing import Span

__all__ = ["Endpoint", "UnknownTool"]

log = logging.getLogger(__name__)

CALL: Mapping[str, str] = MappingProxyType({"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool"})
"""What the span of a call says besides its name."""
MISSING_CAPABILITY = -32021
VISIT_FIRST = -32042


QUICK = frozenset({"discover", "execute", "execute_batch"})
"""Meta-tools without output while they run."""


class Endpoint:
    """Answers of the tool methods."""

    def __init__(
        self, invoker: Invoker, code: CodeTool, telemetry: Telemetry, keeper: Keeper, discovery: Discovery, artifacts: Artifacts
    ) -> None:
        self._invoker = invoker
        self._code = code
        self._telemetry = telemetry
        self._keeper = keeper
        self._discovery = discovery
        self.artifacts = artifacts

    def list_tools(self, cursor: str | None, server: str | None = None) -> dict[str, Any]:
        """The meta-tools and the pinned tools; in mcp_only mode a page of the real tools, on a `server`'s route under their own names."""
        snapshot = self.current()
        if snapshot is None:
            return {"tools": []}
        result = _direct_page(snapshot, cursor, server) if snapshot.config.mode == "mcp_only" else _meta_page(snapshot)
        baseline = 0 if cursor else snapshot.direct_bytes
        self._telemetry.tokens(baseline=baseline, served=len(orjson.dumps(result["tools"], default=str)))
        return result

    def current(self) -> Snapshot | None:
        """The snapshot in force; None before the first configuration."""
        try:
            return self._invoker.snapshot()
        except CallFailure:
            return None

    def listed_again(self, cursor: str | None, served: int) -> None:
        """A list of tools was sent once more, `served` bytes."""
        snapshot = self.current()
        self._telemetry.tokens(baseline=0 if cursor or snapshot is None else snapshot.direct_bytes, served=served)

    def is_quick(self, name: str, server: str | None) -> bool:
        """Whether nothing but name and arguments matters to this call: no header that mirrors an argument, no output while it runs."""
        snapshot = self.current()
        if snapshot is None:
            return False
        tool = _listed_tool(snapshot, name, server)
        return not tool.header_map if tool is not None else name in QUICK and snapshot.config.mode != "mcp_only"

    def parsed(self, read: float | None) -> None:
        """A request for tools was recognised; `read`: when its last byte came (`stages.READ`)."""
        if read is not None:
            self._telemetry.stages.parse.note(time.perf_counter() - read)

    def lists_real_tools(self) -> bool:
        """Whether tools/list shows the servers' own tools, which change with them."""
        snapshot = self.current()
        return snapshot is None or snapshot.config.mode == "mcp_only" or bool(snapshot.config.tools.pinned)

    def input_schema(self, name: str) -> dict[str, Any] | None:
        """The schema whose header annotations a modern client mirrors; None when it has none of ours."""
        snapshot = self.current()
        if snapshot is None:
            return None
        tool = _listed_tool(snapshot, name, route.get())
        return tool.definition["inputSchema"] if tool is not None and tool.header_map else None

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
        span = self._telemetry.tracer.request("tools/call", context.trace, "server", **CALL)
        try:
            snapshot = self._invoker.snapshot()
            path = route_of(snapshot, name, arguments)
            kind = path.kind
            self._count(path.fallbacks)
            result = await self._take(path, snapshot, context, progress)
            outcome = "tool_error" if result.get("isError") else "ok"
            if snapshot.config.mode == "mcp_only" and server is None and "content" in result:
                result["content"] = with_entry_uris(split_id(name)[0], result["content"])
            return result
        except CallFailure as failure:
            outcome = str(failure.code)
            if _is_for_programs(failure, context):
                raise
            return _told(failure)
        except UnknownTool:
            outcome = "404"
            raise
        except Exception:
            log.exception("call failed for a reason no rule foresaw", extra={"tool": kind})
            outcome = str(INTERNAL)
            return failure_result(CallFailure(INTERNAL, "the endpoint failed; its log tells why"))
        finally:
            self._answered(kind, outcome, started, name, span)

    def _answered(self, kind: str, outcome: str, started: float, name: str, span: Span | None) -> None:
        self._telemetry.call(kind, outcome, time.perf_counter() - started)
        if span is not None:
            # Only names that exist: others are whatever a client sends.
            span.name = f"tools/call {name if kind == 'direct' else kind}"
            span.end(outcome)

    async def _take(self, path: Route, snapshot: Snapshot, context: CallContext, progress: OnOutput | None) -> Result:
        if path.kind == "direct":
            return unchanged(await self._invoker.invoke(path.tool, path.arguments, context))
        cutter = Cutter(self._keeper, snapshot.config.tools.max_result_bytes)
        if path.kind == "execute":
            return cutter.cut(once(await self._invoker.invoke(path.tool, path.arguments, context)))
        if path.kind == "discover":
            return await self._discover(snapshot, path.arguments, cutter)
        if path.kind == "execute_batch":
            wanted = plan(self._invoker, path.arguments)
            self._count(wanted.fallbacks)
            return await Batch(self._invoker, wanted, context, cutter).run()
        return cutter.cut(await self._run_code(path.arguments, context, progress))

    async def _run_code(self, arguments: dict[str, Any], context: CallContext, progress: OnOutput | None) -> Result:
        started = time.perf_counter()
        try:
            return await self._code.call(arguments, context, progress)
        finally:
            self._telemetry.stages.sandbox.note(time.perf_counter() - started)

    async def _discover(self, snapshot: Snapshot, arguments: dict[str, Any], cutter: Cutter) -> Result:
        cursor = arguments.get("cursor")
        rest = await cutter.rest(cursor) if isinstance(cursor, str) else None
        if rest is not None:
            return text_result(rest)
        started = time.perf_counter()
        find = await self._discovery.finder(snapshot, arguments.get("query"))
        found = discover(snapshot, arguments, find)
        self._telemetry.stages.search.note(time.perf_counter() - started)
        result = cutter.cut(text_result(found))
        self._telemetry.tokens(served=len(result["content"][0]["text"].encode()))
        return result

    def _count(self, fallbacks: Iterable[Fallback]) -> None:
        for fallback in fallbacks:
            self._telemetry.fallback(*fallback)


def _is_for_programs(failure: CallFailure, context: CallContext) -> bool:
    """Whether a client acts on the refusal by itself: on state of another call, a capability it did not declare, an address to visit first."""
    if isinstance(failure, StateRefused):
        return True
    code = failure.rpc.code if failure.rpc is not None else None
    return code == VISIT_FIRST or (code == MISSING_CAPABILITY and context.client_capabilities is not None)


def _told(failure: CallFailure) -> Result:
    advise(failure.retry_after_s)
    return failure_result(failure)


def _tool_id(name: str, server: str | None) -> str:
    return name if server is None else entry_id(server, name)


def _listed_tool(snapshot: Snapshot, name: str, server: str | None) -> Tool | None:
    """The tool that clients see under this name with its own definition."""
    return (snapshot.tools if snapshot.config.mode == "mcp_only" else snapshot.pinned).get(_tool_id(name, server))


def _meta_page(snapshot: Snapshot) -> dict[str, Any]:
    """Meta-tools first: their bytes never change, so that a client's prompt cache stays valid whatever is pinned."""
    return {"tools": [*definitions(snapshot.config), *(tool.listed for tool in snapshot.pinned.values())]}


def _direct_page(snapshot: Snapshot, cursor: str | None, server: str | None) -> dict[str, Any]:
    tools = snapshot.tools.values()
    if server is None:
        return page("tools", [Entry(tool.server, tool.name, tool.listed) for tool in tools], cursor)
    return page("tools", [Entry(server, tool.name, tool.definition) for tool in tools if tool.server == server], cursor)
