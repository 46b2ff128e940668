"""Failures as JSON-RPC errors of the client's era."""

from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.upstream.reply import RESOURCE_NOT_FOUND

OURS: Final = frozenset({-32700, -32600, -32020, -32022})
"""Codes about the exchange between us and the server: no fault of the client's."""


def error_of(failure: CallFailure, *, modern: bool, uri: str | None = None) -> MCPError:
    """What the client is told. `uri` is that of the resource it asked for: eras differ in how they say that there is none."""
    rpc = failure.rpc
    if rpc is None or rpc.code in OURS:
        return MCPError(code=INTERNAL_ERROR, message=failure.message)
    code, data = rpc.code, rpc.data
    if uri is not None and _says_no_resource(code, data):
        code, data = (INVALID_PARAMS if modern else RESOURCE_NOT_FOUND), {"uri": uri}
    return MCPError(code=code, message=failure.message, data=data)


def _says_no_resource(code: int, data: Any) -> bool:
    return code == RESOURCE_NOT_FOUND or (code == INVALID_PARAMS and isinstance(data, dict) and "uri" in data)
