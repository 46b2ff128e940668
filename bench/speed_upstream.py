"""The server behind the gateway in the speed benchmark: as little HTTP as MCP needs, so that the core it shares with the load is not the limit.

Run as `python -m bench.speed_upstream PORT modern|legacy|legacy-sse TOOLS`. `legacy` knows nothing of 2026-07-28 and wants its session on
every request, as servers of the last era do. A call answers at once, or after the argument `delay_ms`.
"""

import asyncio
import sys
import uuid
from typing import Any

import orjson
import uvloop

from bench.speed_catalogue import catalogue

MODERN, LEGACY = "2026-07-28", "2025-11-25"
TEXT = "The quick brown fox jumps over the lazy dog. " * 4
_HEAD_END = b"\r\n\r\n"


class Fixture:
    """What the server knows, shared by its connections."""

    def __init__(self, kind: str, tools: int) -> None:
        self.modern = kind == "modern"
        self.stream = kind.endswith("-sse")
        self.tools = catalogue(tools)
        self.sessions: set[bytes] = set()
        self.requests = 0

    def answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The result of one request; None where the method is unknown."""
        method = message["method"]
        if method == "tools/call":
            text = f"call {message['params']['arguments'].get('nonce')}: {TEXT}"
            return {"content": [{"type": "text", "text": text}], "isError": False, **self._complete()}
        if method == "tools/list":
            return {"tools": self.tools, **self._complete(), **({"ttlMs": 60_000, "cacheScope": "public"} if self.modern else {})}
        info = {"name": "fixture", "version": "1"}
        if method == "server/discover" and self.modern:
            meta = {"io.modelcontextprotocol/serverInfo": info}
            return {
                "supportedVersions": [MODERN],
                "capabilities": {"tools": {}},
                "ttlMs": 1,
                "cacheScope": "public",
                "_meta": meta,
                **self._complete(),
            }
        if method == "initialize" and not self.modern:
            return {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": info}
        return None

    def _complete(self) -> dict[str, str]:
        return {"resultType": "complete"} if self.modern else {}


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests may arrive in pieces but not pipelined."""

    transport: asyncio.Transport

    def __init__(self, fixture: Fixture) -> None:
        self._fixture = fixture
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept to answer on."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer when a request is complete."""
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) - end - 4 < length:
            return
        body, self._buffer = self._buffer[end + 4 :], b""
        self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        fixture = self._fixture
        fixture.requests += 1
        if head.startswith(b"get /count"):
            return self._reply(200, orjson.dumps({"requests": fixture.requests}))
        if head.startswith(b"delete"):
            return self._reply(200, b"")
        message = orjson.loads(body)
        if "id" not in message:
            return self._reply(202, b"")
        session = b""
        if not fixture.modern:
            if message["method"] == "initialize":
                session = uuid.uuid4().hex.encode()
                fixture.sessions.add(session)
            else:
                at = head.find(b"mcp-session-id:")
                if at < 0 or head[at + 15 :].split(b"\r\n", 1)[0].strip() not in fixture.sessions:
                    return self._reply(
                        400 if at < 0 else 404, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no session"}}'
                    )
        result = fixture.answer(message)
        if result is None:
            error = {"code": -32601, "message": "method not found"}
            return self._reply(404 if fixture.modern else 200, orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}))
        reply = orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        delay = (message.get("params") or {}).get("arguments", {}).get("delay_ms", 0)
        if delay:
            asyncio.get_running_loop().call_later(delay / 1000, self._reply, 200, reply, session)
            return None
        return self._reply(200, reply, session)

    def _reply(self, status: int, body: bytes, session: bytes = b"") -> None:
        kind = b"application/json"
        if self._fixture.stream and status == 200 and body.startswith(b'{"jsonrpc"'):
            kind, body = b"text/event-stream", b"event: message\r\ndata: %s\r\n\r\n" % body
        extra = b"mcp-session-id: %s\r\n" % session if session else b""
        head = b"HTTP/1.1 %d X\r\ncontent-type: %s\r\n%scontent-length: %d\r\n\r\n" % (status, kind, extra, len(body))
        self.transport.write(head + body)


async def serve(port: int, kind: str, tools: int) -> None:
    """Until killed."""
    fixture = Fixture(kind, tools)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(fixture), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
