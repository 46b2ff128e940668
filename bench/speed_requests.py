"""The requests of the speed benchmark as the bytes a client sends, and what a right answer to each holds.

A request is a list of alternatives sent in turn. `1234567890` in a body is replaced by a number of its own before each sending: it is
the JSON-RPC id and, in calls, an argument that the server's answer repeats.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from bench.speed_catalogue import queries

NUMBER = b"1234567890"
META = "io.modelcontextprotocol/"
MODERN, LEGACY = "2026-07-28", "2025-11-25"


@dataclass(frozen=True)
class Request:
    """What to send, and how to know the answer."""

    alternatives: list[bytes]
    expected: list[bytes]
    """All of them are in a right answer; the number in them is replaced as in the request."""


def _encoded(path: str, method: str, params: dict[str, Any], name: str | None, era: str) -> bytes:
    headers = [
        "POST " + path + " HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        "accept: application/json, text/event-stream",
    ]
    headers.append(f"mcp-protocol-version: {era}")
    if era == MODERN:
        meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, META + "clientInfo": {"name": "bench", "version": "1"}}
        params = {**params, "_meta": meta}
        headers.append(f"mcp-method: {method}")
        if name is not None:
            headers.append(f"mcp-name: {name}")
    body = orjson.dumps({"jsonrpc": "2.0", "id": int(NUMBER), "method": method, "params": params})
    return "\r\n".join([*headers, f"content-length: {len(body)}", "", ""]).encode() + body


def _call(name: str, arguments: dict[str, Any], era: str, path: str = "/mcp") -> bytes:
    return _encoded(path, "tools/call", {"name": name, "arguments": arguments}, name, era)


def arguments(delay_ms: int = 0) -> dict[str, Any]:
    """Arguments of about 230 bytes."""
    text = "A title of the length that titles have when people write them with some care for those who read them later on, or so"
    given = {"nonce": NUMBER.decode(), "title": text, "limit": 20, "state": "open", "labels": ["urgent", "customer", "second-level"]}
    return {**given, "delay_ms": delay_ms} if delay_ms else given


def direct(tool: str, era: str = MODERN, path: str = "/mcp", delay_ms: int = 0) -> Request:
    """A tool by its listed name."""
    return Request([_call(tool, arguments(delay_ms), era, path)], [b'"id":' + NUMBER, b"call " + NUMBER])


def execute(tool: str, era: str = MODERN, delay_ms: int = 0) -> Request:
    """A tool through the meta-tool."""
    wanted = {"tool": tool, "arguments": arguments(delay_ms)}
    return Request([_call("execute", wanted, era)], [b'"id":' + NUMBER, b"call " + NUMBER])


def discover(era: str = MODERN, count: int = 200) -> Request:
    """Searches, no two of them the same: the number is a word that no tool has."""
    return Request(
        [_call("discover", {"query": f"{query} {NUMBER.decode()}"}, era) for query in queries(count)], [b'"id":' + NUMBER, b"(nonce"]
    )


def schema_of(tool: str, era: str = MODERN) -> Request:
    """The schema of one tool: a meta-tool that needs neither a search nor a server."""
    return Request([_call("discover", {"ids": [tool]}, era)], [b'"id":' + NUMBER, b"inputSchema"])


def listing(era: str = MODERN) -> Request:
    """The definitions."""
    return Request([_encoded("/mcp", "tools/list", {}, None, era)], [b'"id":' + NUMBER, b'"inputSchema"'])
