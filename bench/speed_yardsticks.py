"""What the gateway is compared with, each a server of its own: `python -m bench.speed_yardsticks PORT URL bare|proxy|sdk`.

`bare`: ASGI, header checks and JSON, a fixed answer: what uvicorn leaves to Python. `proxy`: the body forwarded by one pooled aiohttp session,
no policy: what a gateway could at most reach with that client. `sdk`: the official SDK's server with one tool.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import orjson
import uvicorn
import uvloop
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolRequestParams

from bench.speed_catalogue import definition
from bench.speed_upstream import TEXT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
FORWARDED = (b"content-type", b"accept", b"mcp-protocol-version", b"mcp-method", b"mcp-name")


async def _answer(send: Send, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def bare(scope: Message, receive: Receive, send: Send) -> None:
    """Parse, compare, answer."""
    headers = dict(scope["headers"])
    message = orjson.loads((await receive())["body"])
    params = message["params"]
    assert headers[b"mcp-method"].decode() == message["method"] and headers[b"mcp-name"].decode() == params["name"]
    text = f"call {params['arguments'].get('nonce')}: {TEXT}"
    result = {"content": [{"type": "text", "text": text}], "isError": False, "resultType": "complete"}
    await _answer(send, orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))


class Proxy:
    """The body of the request out, the body of the reply in."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Forward one request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name in FORWARDED}
        body = (await receive())["body"]
        async with self._session.post(self._url, data=body, headers=headers) as response:
            await _answer(send, await response.read(), response.content_type.encode())


def sdk() -> StreamableHTTPSessionManager:
    """A server as the SDK's documentation builds it, answering with JSON."""

    async def call_tool(ctx: Any, params: CallToolRequestParams) -> dict[str, Any]:
        text = f"call {(params.arguments or {}).get('nonce')}: {TEXT}"
        return {"content": [{"type": "text", "text": text}], "isError": False, "resultType": "complete"}

    schema = definition(0)["inputSchema"]
    server: Server[Any] = Server("sdk", version="1", get_tool_input_schema=lambda name: schema)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    return StreamableHTTPSessionManager(app=server, stateless=True, json_response=True)


async def serve(port: int, url: str, kind: str) -> None:
    """Until killed, with uvicorn set up as the product sets it up."""
    manager = sdk()
    app: Any = {"bare": bare, "proxy": Proxy(url), "sdk": manager.handle_request}[kind]
    config = uvicorn.Config(
        app,
        port=port,
        interface="asgi3",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    async with manager.run():
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
