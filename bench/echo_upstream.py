"""A server with one tool, `echo`, and as little HTTP as MCP needs: what is timed with it behind is the product. It runs in a Pod of the
server's image as `python -c SOURCE`, so it imports nothing of this repository.
"""

import asyncio
from typing import Any

import orjson
import uvloop

PORT = 8080
VERSION = "2026-07-28"
TOOL = {"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


def result(message: dict[str, Any]) -> dict[str, Any] | None:
    """What a request gets; None where the method is unknown."""
    method = message["method"]
    if method == "tools/call":
        text = str(message["params"].get("arguments", {}).get("text", ""))
        return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}
    if method == "tools/list":
        return {"resultType": "complete", "tools": [TOOL], "ttlMs": 60_000, "cacheScope": "public"}
    if method == "server/discover":
        about = {"io.modelcontextprotocol/serverInfo": {"name": "echo", "version": "1"}}
        versions = {"supportedVersions": [VERSION], "capabilities": {"tools": {}}}
        return {"resultType": "complete", **versions, "ttlMs": 60_000, "cacheScope": "public", "_meta": about}
    return None


class Connection(asyncio.Protocol):
    """Keep-alive; requests may arrive in pieces but not pipelined."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept to answer on."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer when a request is complete."""
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if b"\r\n\r\n" not in self._buffer or len(body) < length:
            return
        self._buffer = b""
        message = orjson.loads(body) if body else {"method": ""}
        if "id" not in message:
            self._reply(202, b"")
            return
        found = result(message)
        outcome = {"result": found} if found is not None else {"error": {"code": -32601, "message": "method not found"}}
        self._reply(200 if found is not None else 404, orjson.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}))

    def _reply(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        self._transport.write(head + body)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Connection, "0.0.0.0", PORT)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
