"""The response to one request: one JSON object, or a stream of events when something has to be said before the result."""

from typing import Any, Final

import orjson
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp_types.methods import serialize_server_result

from mcp_optimizer.asgi import EVENT_STREAM, PING, Send
from mcp_optimizer.results import compact

_JSON: Final = (b"content-type", b"application/json")
_PLAIN: Final = frozenset({"content", "isError", "structuredContent", "resultType"})


class Answer:
    """Writes what request `id` gets. `modern` decides how errors map to HTTP."""

    __slots__ = ("_ended", "_id", "_modern", "_send", "_streaming")

    def __init__(self, send: Send, number: int | str, modern: bool) -> None:
        self._send = send
        self._id = orjson.dumps(number)
        self._modern = modern
        self._streaming = self._ended = False

    async def result(self, encoded: bytes) -> None:
        """End with a result, given as JSON."""
        await self._end(200, b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self._id, encoded))

    async def error(self, code: int, message: str, data: Any = None) -> None:
        """End with a JSON-RPC error."""
        error = {"code": code, "message": message, **({"data": data} if data is not None else {})}
        status = ERROR_CODE_HTTP_STATUS.get(code, 200) if self._modern else 200
        await self._end(status, b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (self._id, compact(error).encode()))

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        """Say something before the result."""
        await self._event(b"event: message\r\ndata: %b\r\n\r\n" % compact({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    async def ping(self) -> None:
        """Show whoever counts idle seconds that the connection is alive."""
        await self._event(PING)

    async def nothing(self) -> None:
        """End without an answer: the client has cancelled the request."""
        self._ended = True
        if not self._streaming:
            await self._send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
        await self._send({"type": "http.response.body", "body": b""})

    async def _event(self, event: bytes) -> None:
        if self._ended:
            return  # a slow reader may take longer than a ping waits
        if not self._streaming:
            self._streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def _end(self, status: int, body: bytes) -> None:
        self._ended = True
        if self._streaming:
            await self._send({"type": "http.response.body", "body": b"event: message\r\ndata: %b\r\n\r\n" % body})
            return
        await self._send({"type": "http.response.start", "status": status, "headers": [_JSON, (b"content-length", b"%d" % len(body))]})
        await self._send({"type": "http.response.body", "body": body})


def encode_call(result: dict[str, Any], version: str, stamp: dict[str, Any] | None) -> bytes:
    """The result of tools/call as a client of this version reads it. `stamp` is the `_meta` of a modern one. Raises pydantic's ValidationError."""
    if _is_plain(result):
        shown = {**result, "resultType": "complete"} if stamp is not None else result
        if stamp is None and "resultType" in result:
            shown = {key: value for key, value in result.items() if key != "resultType"}
    else:
        shown = serialize_server_result("tools/call", version, {"resultType": "complete", **result})
    if stamp is not None:
        shown["_meta"] = stamp
    try:
        return orjson.dumps(shown)
    except TypeError:
        return compact(shown).encode()


def _is_plain(result: dict[str, Any]) -> bool:
    """Whether every version shows this result as it is: text, and perhaps a structured object."""
    if not _PLAIN.issuperset(result) or result.get("resultType", "complete") != "complete" or type(result["isError"]) is not bool:
        return False
    structured = result.get("structuredContent")
    if structured is not None and type(structured) is not dict:
        return False
    return all(len(block) == 2 and block.get("type") == "text" and type(block.get("text")) is str for block in result["content"])
