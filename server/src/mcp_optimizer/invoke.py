"""The one way to call a tool. Clients, code in sandboxes and direct mode all come through here, so that one policy holds for all."""

import time
from typing import Any

from mcp.shared.inbound import mcp_param_headers

from .context import CallContext
from .errors import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, CallFailure
from .federation import Federation
from .snapshot import Snapshot, Tool
from .telemetry import Telemetry

MAX_ARGUMENT_NAME = 200


class Invoker:
    """Calls tools of the snapshot in force."""

    def __init__(self, federation: Federation, telemetry: Telemetry) -> None:
        self._federation = federation
        self._telemetry = telemetry

    def snapshot(self) -> Snapshot:
        """The snapshot in force; 503 before the first configuration."""
        snapshot = self._federation.snapshot
        if snapshot is None:
            raise CallFailure(UNAVAILABLE, "no configuration yet: try again in a moment")
        return snapshot

    async def invoke(self, tool_id: str, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """The tool's result as its server sent it. Raises `CallFailure`; nothing is sent unless identifier and arguments are right."""
        tool = resolve(self.snapshot(), tool_id)
        tool.validate(arguments)
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            headers = mcp_param_headers(tool.header_map, arguments) if tool.header_map else None
            result = await tool.upstream.call(tool.name, arguments, headers, context)
            outcome = "tool_error" if result.get("isError") is True else "ok"
            return result
        except CallFailure as failure:
            outcome = str(failure.code)
            raise
        finally:
            self._telemetry.upstream_call(tool.server, outcome, time.perf_counter() - started)


def resolve(snapshot: Snapshot, tool_id: str) -> Tool:
    """The tool with this identifier, or a failure that names those that look like it."""
    tool = snapshot.tools.get(tool_id)
    if tool is not None:
        return tool
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
