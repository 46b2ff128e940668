"""What the definitions of the demo's tools cost a client: connected to the servers directly, and through the optimizer.

The figures are bytes of the replies that the official client SDK really receives from the real processes; tokens are counted by a named
tokenizer from the same JSON. Ends with one line: `tokens tools=… direct_bytes=… served_bytes=… meta_tokens=…`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from scripts.stack.tokens import count_tokens

from bench.acme_queries import QUERIES
from bench.children import example_servers, optimizer, settled

TOKENIZER = "cl100k_base"


class RecordedStream(httpx2.AsyncByteStream):
    """A reply's body that keeps a copy of what was read."""

    def __init__(self, inner: Any, copy: bytearray) -> None:
        self._inner = inner
        self._copy = copy

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._copy.extend(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class Recorder(httpx2.AsyncHTTPTransport):
    """HTTP as usual, with a copy of each reply by the JSON-RPC method it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[tuple[str, bytearray]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        method = str(json.loads(request.content).get("method")) if request.method == "POST" and request.content else request.method
        body = bytearray()
        self.replies.append((method, body))
        response.stream = RecordedStream(response.stream, body)
        return response

    def received(self, method: str) -> list[bytes]:
        """Bodies of the replies to `method`, in order."""
        return [bytes(body) for asked, body in self.replies if asked == method]


def payload(body: bytes) -> dict[str, Any]:
    """The JSON-RPC message in a reply of either form."""
    if not body.startswith(b"{"):
        lines = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
        body = next(line for line in lines if b'"result"' in line)
    return dict(json.loads(body))


async def listed(url: str) -> tuple[list[Any], int]:
    """All tools a client gets from `url`, and the bytes of the replies that brought them."""
    recorder = Recorder()
    async with httpx2.AsyncClient(transport=recorder, timeout=30) as http, Client(streamable_http_client(url, http_client=http)) as client:
        cursor = (await client.list_tools()).next_cursor
        while cursor:
            cursor = (await client.list_tools(cursor=cursor)).next_cursor
    bodies = recorder.received("tools/list")
    return [tool for body in bodies for tool in payload(body)["result"]["tools"]], sum(map(len, bodies))


async def discovery(url: str) -> tuple[list[int], list[int], int]:
    """Bytes of the reply and rank of the wanted tool (0: absent) for each query, and the bytes of one schema lookup."""
    recorder = Recorder()
    ranks = []
    async with httpx2.AsyncClient(transport=recorder, timeout=30) as http, Client(streamable_http_client(url, http_client=http)) as client:
        for query, wanted in QUERIES:
            result = await client.call_tool("discover", {"query": query})
            hits = [line.split("(")[0] for line in result.content[0].text.splitlines()]  # type: ignore[union-attr]
            ranks.append(hits.index(f"acme.{wanted}") + 1 if f"acme.{wanted}" in hits else 0)
        await client.call_tool("discover", {"ids": [f"acme.{QUERIES[0][1]}"]})
    sizes = [len(body) for body in recorder.received("tools/call")]
    return sizes[:-1], ranks, sizes[-1]


def counter() -> Callable[[Any], int]:
    """Counts tokens; an estimate would be no measurement."""
    if count_tokens("")[1] != TOKENIZER:
        raise SystemExit(f"the vocabulary of {TOKENIZER} is missing: run make venv")
    return lambda value: count_tokens(json.dumps(value, separators=(",", ":"), ensure_ascii=False))[0]


async def main() -> None:
    """Measure and print."""
    tokens = counter()
    async with example_servers() as urls:
        direct = [await listed(url) for url in urls.values()]
        direct_tools = [tool for tools, _ in direct for tool in tools]
        direct_bytes = sum(size for _, size in direct)
        async with optimizer(urls) as server:
            await settled(server.management, len(direct_tools))
            meta, served_bytes = await listed(server.url)
            sizes, ranks, schema_bytes = await discovery(server.url)
    direct_tokens, meta_tokens = tokens(direct_tools), tokens(meta)
    found = {limit: sum(0 < rank <= limit for rank in ranks) for limit in (1, 5, 8)}
    print(
        f"servers: {', '.join(urls)}; client: official MCP SDK; tokenizer: {TOKENIZER}; bytes are whole replies, JSON-RPC envelope included"
    )
    print(f"definitions direct: {direct_bytes} bytes, {direct_tokens} tokens; served: {served_bytes} bytes, {meta_tokens} tokens")
    print(
        f"definitions saved: {100 * (1 - served_bytes / direct_bytes):.2f} % of bytes, {100 * (1 - meta_tokens / direct_tokens):.2f} % of tokens"
    )
    print(f"discover, 8 hits: {sum(sizes) / len(sizes):.0f} bytes mean, {max(sizes)} max; one full schema: {schema_bytes} bytes")
    with_discovery = served_bytes + sum(sizes) / len(sizes)
    print(f"list and one discover saved: {100 * (1 - with_discovery / direct_bytes):.2f} % of bytes")
    recall = ", ".join(f"hit@{limit} {100 * count / len(ranks):.0f} %" for limit, count in found.items())
    print(
        f"recall sanity, {len(ranks)} hand-written queries: {recall}; not found: {[q for (q, _), rank in zip(QUERIES, ranks, strict=True) if not rank]}"
    )
    print(f"tokens tools={len(direct_tools)} direct_bytes={direct_bytes} served_bytes={served_bytes} meta_tokens={meta_tokens}")


if __name__ == "__main__":
    asyncio.run(main())
