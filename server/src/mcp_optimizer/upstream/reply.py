"""The result in a server's answer, or the failure it stands for."""

from typing import Any, Final

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_GATEWAY, BAD_REQUEST, NOT_FOUND, CallFailure, RpcError
from mcp_optimizer.results import compact

INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
RESOURCE_NOT_FOUND: Final = -32002
"""Of servers older than 2026-07-28."""
MISSING_CAPABILITY: Final = -32021
MAX_DATA: Final = 16 * 1024
_STATUS: Final = {INVALID_PARAMS: BAD_REQUEST, METHOD_NOT_FOUND: NOT_FOUND, RESOURCE_NOT_FOUND: NOT_FOUND}


def result_of(name: str, message: dict[str, Any], context: CallContext = PLAIN) -> dict[str, Any]:
    """The result that server `name` sent. Raises `CallFailure` when it refused, or asks something that this caller cannot be asked."""
    result = message.get("result")
    if isinstance(result, dict):
        kind = result.get("resultType", "complete")
        if kind == "input_required" and context.client_capabilities is None:
            asker = "code in a sandbox" if context.via == "job" else "this client"
            raise CallFailure(
                BAD_GATEWAY,
                f"server {name} needs an answer from the user first, which {asker} cannot give: call it from a 2026-07-28 client",
            )
        if kind not in ("complete", "input_required"):
            raise CallFailure(BAD_GATEWAY, f"server {name} answered {str(kind)[:40]!r}, which this endpoint does not relay")
        return result
    raise _refusal(name, message.get("error"))


def _refusal(name: str, error: Any) -> CallFailure:
    if not isinstance(error, dict):
        return CallFailure(BAD_GATEWAY, f"server {name}: no result")
    code, text = error.get("code"), str(error.get("message", ""))[:1000]
    if isinstance(code, bool) or not isinstance(code, int) or abs(code) > 2**31:
        return CallFailure(BAD_GATEWAY, f"server {name}: {text}")
    data = error.get("data")
    rpc = RpcError(code, text, data if data is not None and len(compact(data)) <= MAX_DATA else None)
    return CallFailure(_STATUS.get(code, BAD_GATEWAY), f"server {name}: {text}", rpc)
