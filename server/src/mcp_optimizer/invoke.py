"""The one way to a server. Clients, code in sandboxes and direct mode all come through here, so that one policy holds for all."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mcp.shared.inbound import mcp_param_headers

from .context import CallContext
from .errors import BAD_REQUEST, HALF_A_LETTER, NOT_FOUND, UNAVAILABLE, CallFailure
from .federation import Federation
from .ration import Ration
from .rounds import Rounds
from .seal import Sealer
from .snapshot import Snapshot, Tool
from .telemetry import Telemetry
from .tools.route import ID_TO_TOOL
from .tools.signature import signature
from .tracing import Span, child
from .upstream.upstream import Upstream

MAX_ARGUMENT_NAME = 200

OnCall = Callable[[Snapshot, str], None]
"""Told of each call that is sent."""


class Invoker:
    """Asks the servers of the snapshot in force: calls of tools, and the other requests that are relayed."""

    def __init__(self, federation: Federation, telemetry: Telemetry, sealer: Sealer, on_call: OnCall | None = None) -> None:
        self._federation = federation
        self._telemetry = telemetry
        self._on_call = on_call
        self._rounds = Rounds(sealer)

    def snapshot(self) -> Snapshot:
        """The snapshot in force; 503 before the first configuration."""
        snapshot = self._federation.snapshot
        if snapshot is None:
            raise CallFailure(UNAVAILABLE, "no configuration yet: try again in a moment")
        return snapshot

    @property
    def memory(self) -> Ration:
        """What large messages of all requests share."""
        return self._federation.memory

    def check(self, tool_id: str, arguments: dict[str, Any] | None) -> Tool:
        """The tool, when this call of it is allowed; `arguments` None: they are not known yet. Raises `CallFailure`. Sends nothing."""
        tool = resolve(self.snapshot(), tool_id)
        if arguments is not None:
            try:
                tool.validate(arguments)
            except CallFailure as failure:
                # With the signature the next attempt is right, and no discover is needed in between.
                raise CallFailure(failure.code, f"{failure.message}; {signature(tool.definition, tool.id)}") from None
        return tool

    async def invoke(self, tool_id: str, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """The tool's result as its server sent it. Raises `CallFailure`; nothing is sent unless identifier and arguments are right.

        A caller that says what its client can be asked gets `resultType: input_required` when the server asks first.
        """
        span = child("policy")
        started, outcome = time.perf_counter(), "ok"
        try:
            tool = self.check(tool_id, arguments)
        except CallFailure as failure:
            outcome = str(failure.code)
            raise
        finally:
            self._telemetry.stages.policy.note(time.perf_counter() - started)
            if span is not None:
                span.end(outcome)
        if tool.id != tool_id:
            # A job's code spelt it another way; clients' calls come with the exact identifier.
            meant = self.snapshot().spellings.meant(tool_id)
            self._telemetry.fallback(*ID_TO_TOOL[meant[1] if meant is not None else "separators"])
        if self._on_call is not None:
            self._on_call(self.snapshot(), tool.id)
        headers = _mirrored(tool, arguments) if tool.header_map else None
        params = {"name": tool.name, "arguments": arguments}
        return await self.ask(tool.upstream, "tools/call", tool.name, params, headers, context, repeatable=tool.repeatable)

    async def ask(
        self,
        upstream: Upstream,
        method: str,
        subject: str,
        params: dict[str, Any],
        headers: dict[str, str] | None,
        context: CallContext,
        *,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        """The result of one request to a server. `subject` names what the request is about. Raises `CallFailure`.

        `repeatable`: the tool says that twice is as good as once. Whatever is no call of a tool only reads.
        """
        started = time.perf_counter()
        outcome = "cancelled"
        bound = (upstream.name, method, subject, params.get("arguments"))
        span = self._span(upstream, method, subject, context)
        if span is not None:
            context = replace(context, trace={**(context.trace or {}), "traceparent": span.traceparent})
        try:
            if context.request_state is not None:
                context = self._rounds.opened(context, *bound)
            result = await upstream.ask(method, params, subject, headers, context, repeatable=repeatable or method != "tools/call")
            if result.get("resultType") == "input_required":
                result = self._rounds.sealed(result, context, *bound)
            outcome = "tool_error" if result.get("isError") is True else "ok"
            return result
        except CallFailure as failure:
            outcome = str(failure.code)
            raise
        finally:
            self._telemetry.upstream_call(upstream.name, outcome, time.perf_counter() - started)
            if span is not None:
                span.end(outcome)

    def _span(self, upstream: Upstream, method: str, subject: str, context: CallContext) -> Span | None:
        """Of one request to a server. A tool's name is in the catalogue; any other subject is a client's own text and may hold data."""
        tracer = self._telemetry.tracer
        if not tracer.on:
            return None
        name = f"{method} {subject}" if method == "tools/call" else method
        return tracer.request(name, context.trace, "client", **{"mcp.method.name": method, "mcp_optimizer.server": upstream.name})


def _mirrored(tool: Tool, arguments: dict[str, Any]) -> dict[str, str]:
    """The arguments that the server wants repeated in headers."""
    try:
        return mcp_param_headers(tool.header_map, arguments)
    except UnicodeEncodeError:
        raise CallFailure(BAD_REQUEST, HALF_A_LETTER) from None


def resolve(snapshot: Snapshot, tool_id: str) -> Tool:
    """The tool with this identifier or the only one it can mean, or a failure that names those that look like it."""
    tool = snapshot.tools.get(tool_id)
    if tool is not None:
        return tool
    if (meant := snapshot.spellings.meant(tool_id)) is not None:
        return snapshot.tools[meant[0]]
    shown = tool_id[:MAX_ARGUMENT_NAME]
    near = snapshot.names.nearest(tool_id) or [hit.tool.id for hit in snapshot.index.search(shown, 3)]
    hint = f"did you mean {', '.join(near)}?" if near else "find one with discover"
    raise CallFailure(NOT_FOUND, f"no tool {shown!r}: {hint}")


def object_argument(arguments: dict[str, Any], name: str) -> dict[str, Any]:
    """The argument `name` as an object; absent or null means an empty one."""
    value = arguments.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CallFailure(BAD_REQUEST, f"{name} must be an object, not {type(value).__name__}")
    return value
