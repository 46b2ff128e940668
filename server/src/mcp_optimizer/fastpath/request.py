"""Recognising the usual request: every part is either exactly as most clients send it, or the request is not ours.

So nothing is refused here: who is wrong about a header or a field hears it from the SDK-hosted server.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson
from mcp_types.version import LATEST_MODERN_VERSION

MODERN: Final = LATEST_MODERN_VERSION
LEGACY: Final = frozenset({"2025-06-18", "2025-11-25"})
"""Older versions know other shapes of results; their few clients are served by the SDK."""
JSON: Final = b"application/json"
EVENTS: Final = b"text/event-stream"
METHODS: Final = ("tools/call", "tools/list")
"""No set: a method may be anything, and a list has no hash."""
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG: Final = b"0" * 19
"""So many digits may be an integer beyond 64 bits, which orjson would read as a float."""
_PLAIN_NAME: Final = re.compile(r"[\x21-\x7e]{1,200}").fullmatch
_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params"})
_CALL: Final = frozenset({"name", "arguments", "_meta"})
_LIST: Final = frozenset({"cursor", "_meta"})
_NONE: Final[dict[str, Any]] = {}


@dataclass(slots=True)
class Request:
    """A request of the usual shape; `meta` is still to be checked."""

    version: str
    id: int | str
    call: str | None
    """Name of the tool; None for tools/list."""
    arguments: dict[str, Any]
    cursor: str | None
    meta: dict[str, Any]

    @property
    def modern(self) -> bool:
        """Whether it is one of 2026-07-28."""
        return self.version == MODERN


def recognise(headers: dict[bytes, bytes], repeated: bool, body: bytes) -> Request | None:
    """The request, or None for any other. `repeated`: some header came more than once."""
    accept = headers.get(b"accept")
    if repeated or accept is None or JSON not in accept or EVENTS not in accept or headers.get(b"content-type") != JSON:
        return None
    version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    modern = version == MODERN
    if not modern and version not in LEGACY:
        return None
    if _LONG in body.translate(_DIGITS):
        return None
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(message) is not dict or not _ENVELOPE.issuperset(message) or message.get("jsonrpc") != "2.0":
        return None
    params = message.get("params", _NONE)
    if type(message.get("id")) not in (int, str) or message.get("method") not in METHODS or type(params) is not dict:
        return None
    if modern and headers.get(b"mcp-method") != message["method"].encode():
        return None
    meta = params.get("_meta", _NONE)
    if type(meta) is not dict:
        return None
    shape = _call if message["method"] == "tools/call" else _list
    return shape(version, message["id"], params, meta, headers if modern else None)


def _call(
    version: str, number: int | str, params: dict[str, Any], meta: dict[str, Any], headers: dict[bytes, bytes] | None
) -> Request | None:
    name, arguments = params.get("name"), params.get("arguments", _NONE)
    if type(name) is not str or type(arguments) is not dict or not _CALL.issuperset(params) or not _PLAIN_NAME(name):
        return None
    # An encoded name is as good as a plain one, but rare.
    if headers is not None and headers.get(b"mcp-name") != name.encode():
        return None
    return Request(version, number, name, arguments, None, meta)


def _list(
    version: str, number: int | str, params: dict[str, Any], meta: dict[str, Any], headers: dict[bytes, bytes] | None
) -> Request | None:
    cursor = params.get("cursor")
    if ("cursor" in params and type(cursor) is not str) or not _LIST.issuperset(params):
        return None
    return Request(version, number, None, _NONE, cursor, meta)
