"""What clients say about themselves with every request: checked by the SDK's own models once per wording, because it hardly ever changes."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from mcp_types.methods import validate_client_request
from pydantic import ValidationError

from mcp_optimizer.context import CallContext
from mcp_optimizer.protocol.client import TRACE_KEYS, trace_of
from mcp_optimizer.protocol.tasks import declares_tasks

from .request import MODERN

MAX_KEPT: Final = 1024
MAX_WORDING: Final = 2048
_META: Final = "io.modelcontextprotocol/"
_KNOWN: Final = frozenset({_META + "protocolVersion", _META + "clientCapabilities", _META + "clientInfo"})
_TRACE: Final = frozenset(TRACE_KEYS)


class Clients:
    """Contexts by the `_meta` they came from; at most MAX_KEPT of at most MAX_WORDING bytes."""

    def __init__(self) -> None:
        self._kept: dict[bytes, CallContext] = {}

    def modern(self, meta: dict[str, Any]) -> CallContext | None:
        """The context of a modern client's call; None when its `_meta` is wrong or holds more than everybody's."""
        wording = orjson.dumps(meta)
        known = self._kept.get(wording)
        if known is not None:
            return known
        trace = trace_of(meta) if not _TRACE.isdisjoint(meta) else None
        lasting = {key: value for key, value in meta.items() if key not in _TRACE} if trace else meta
        if not _KNOWN.issuperset(lasting) or not _valid(lasting):
            return None
        capabilities = lasting[_META + "clientCapabilities"]
        if trace is not None:
            return CallContext(client_capabilities=capabilities, trace=trace)
        context = CallContext(client_capabilities=capabilities)
        if len(wording) <= MAX_WORDING:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[wording] = context
        return context

    @staticmethod
    def legacy_trace(meta: dict[str, Any]) -> tuple[bool, Mapping[str, str] | None]:
        """Whether a legacy client's `_meta` holds nothing but a trace, and the trace."""
        if not meta:
            return True, None
        return _TRACE.issuperset(meta), trace_of(meta)


def _valid(meta: dict[str, Any]) -> bool:
    if meta.get(_META + "protocolVersion") != MODERN or type(meta.get(_META + "clientCapabilities")) is not dict:
        return False
    if declares_tasks(meta[_META + "clientCapabilities"]):
        return False
    try:
        validate_client_request("tools/list", MODERN, {"_meta": meta})
    except ValidationError:
        return False
    return True
