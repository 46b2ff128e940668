"""What travels with a request to a server and back on its response stream: our progress token instead of the client's, notifications checked."""

import math
from collections.abc import Mapping
from typing import Any, Final

from mcp_optimizer.context import CallContext

from .catalogue import clean_text

MAX_TEXT: Final = 4000
MAX_LOGGER: Final = 200
LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
CLIENT_FEATURES: Final = ("elicitation", "roots", "sampling")
"""What a server may ask of a client, and so the only capabilities it is told of: we relay these and nothing else."""
_META: Final = "io.modelcontextprotocol/"

Notification = tuple[str, dict[str, Any]]


def progress_token(request_id: int) -> str:
    """Ours for this request: unique at that server, and never a client's own, which others may use too."""
    return f"mcpo-{request_id}"


def request_meta(context: CallContext, request_id: int, *, modern: bool) -> dict[str, Any]:
    """The part of `_meta` that depends on the caller."""
    meta: dict[str, Any] = {**context.trace} if context.trace else {}
    if context.on_notification is not None:
        if context.progress:
            meta["progressToken"] = progress_token(request_id)
        if modern and context.log_level is not None:
            meta[_META + "logLevel"] = context.log_level
    return meta


def capabilities(context: CallContext) -> dict[str, Any]:
    """What the server may ask of this caller."""
    declared = context.client_capabilities or {}
    return {name: declared[name] for name in CLIENT_FEATURES if isinstance(declared.get(name), dict)}


def relayed(message: Mapping[str, Any], context: CallContext, server: str, request_id: int) -> Notification | None:
    """The notification of `server` as the client may get it; None for what is none of this call's, malformed or unwanted."""
    method, params = message.get("method"), message.get("params")
    if not isinstance(params, dict):
        return None
    if method == "notifications/progress":
        return _progress(params) if context.progress and params.get("progressToken") == progress_token(request_id) else None
    if method == "notifications/message" and context.log_level is not None:
        return _log_message(params, context.log_level, None if context.own_names else server)
    return None


def _progress(params: dict[str, Any]) -> Notification | None:
    kept = {name: params[name] for name in ("progress", "total") if _is_number(params.get(name))}
    if "progress" not in kept:
        return None
    if isinstance(params.get("message"), str):
        kept["message"] = clean_text(params["message"][:MAX_TEXT])
    return "notifications/progress", kept


def _log_message(params: dict[str, Any], least: str, server: str | None) -> Notification | None:
    level = params.get("level")
    if level not in LEVELS or "data" not in params or LEVELS.index(level) < (LEVELS.index(least) if least in LEVELS else 0):
        return None
    kept = {"level": level, "data": params["data"]}
    logger = params.get("logger")
    names = [server, clean_text(logger[:MAX_LOGGER]) if isinstance(logger, str) else None]
    if any(names):
        kept["logger"] = ".".join(filter(None, names))
    return "notifications/message", kept


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e308
