"""Requests that are right, in both eras: what every malformed one starts as."""

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = "io.modelcontextprotocol/"
ARGUMENTS: dict[str, Any] = {"repo": "a/b", "title": "broken", "labels": ["x", "y"], "count": 3, "deep": {"a": [{"b": None}]}}
CANARY = "canary"
"""A tool that no request here calls, but for those that hide a second request inside themselves."""
TOOL: dict[str, Any] = {
    "name": "create_issue",
    "description": "Create an issue in a repository.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "repo": {"type": "string", "x-mcp-header": "Repo"},
            "title": {"type": "string", "minLength": 1},
            "labels": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer", "minimum": 0},
            "deep": {"type": "object"},
        },
        "required": ["repo", "title"],
    },
}


@dataclass(frozen=True)
class Request:
    """An HTTP request before it is bytes."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    verb: str = "POST"
    path: str = "/mcp"
    version: str = "HTTP/1.1"
    framing: tuple[str, ...] = field(default=())
    """Header lines instead of the right Content-Length."""

    def encode(self) -> bytes:
        """What goes over the wire."""
        framing = self.framing or (f"Content-Length: {len(self.body)}",)
        lines = [f"{self.verb} {self.path} {self.version}", *(f"{name}: {value}" for name, value in self.headers), *framing]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def with_header(self, name: str, value: str) -> "Request":
        """The same with one header replaced or added."""
        kept = tuple(item for item in self.headers if item[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))


PLAIN = (("Host", "localhost"), ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"))


def modern(method: str, params: dict[str, Any], *names: tuple[str, str], path: str = "/mcp") -> Request:
    """A request of 2026-07-28."""
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, META + "clientInfo": {"name": "f", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": {**meta, **params.get("_meta", {})}}}
    headers = (*PLAIN, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method), *names)
    return Request(json.dumps(message).encode(), headers, path=path)


def legacy(method: str, params: dict[str, Any] | None = None, path: str = "/mcp") -> Request:
    """A request of 2025-11-25, without a session, as this server has none."""
    message = {"jsonrpc": "2.0", "id": "one", "method": method, **({} if params is None else {"params": params})}
    return Request(json.dumps(message).encode(), (*PLAIN, ("MCP-Protocol-Version", LEGACY)), path=path)


def call(name: str, arguments: dict[str, Any], *extra: tuple[str, str], path: str = "/mcp") -> Request:
    """A modern tools/call with its headers."""
    return modern("tools/call", {"name": name, "arguments": arguments}, ("Mcp-Name", name), *extra, path=path)


INITIALIZE = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
TASKS = {"_meta": {META + "clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}}
LISTEN = {"notifications": {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["test://a"]}}
EXECUTE = {"tool": "modern.create_issue", "arguments": ARGUMENTS}
BATCH = {
    "calls": [
        {"id": "first", **EXECUTE, "compensate": {"tool": "legacy.create_issue", "arguments": {"repo": "${first.repo}", "title": "undo"}}},
        {
            "id": "second",
            "tool": "legacy.create_issue",
            "arguments": {"repo": "a/b", "title": "${first.title}", "labels": ["${first.labels.0}"]},
        },
    ],
    "mode": "sequential",
    "on_error": "compensate",
}
VALID = (
    modern("server/discover", {}),
    modern("tools/list", {}),
    modern("tools/list", {"cursor": "abc"}),
    call("discover", {"query": "create an issue"}),
    call("discover", {"ids": ["modern.create_issue"], "detail": "schema"}),
    call("execute", EXECUTE),
    call("execute", {"tool": "legacy.create_issue", "arguments": ARGUMENTS}),
    call("execute_batch", {"calls": [EXECUTE, EXECUTE], "mode": "sequential"}),
    call("execute_batch", BATCH),
    call("execute_batch", {**BATCH, "mode": "parallel", "on_error": "continue"}),
    call("discover", {"query": "issue", "detail": "names", "limit": 2, "cursor": "abc"}),
    call("execute_code", {"code": "print(1)", "params": {"a": 1}, "timeout_s": 1}),
    modern("tools/call", {"name": "execute", "arguments": EXECUTE, "_meta": {"progressToken": 7}}, ("Mcp-Name", "execute")),
    modern(
        "tools/call", {"name": "execute", "arguments": EXECUTE, "requestState": "x", "inputResponses": {"a": {}}}, ("Mcp-Name", "execute")
    ),
    modern("resources/list", {}),
    modern("resources/read", {"uri": "test://a"}, ("Mcp-Name", "test://a")),
    modern("prompts/get", {"name": "p", "arguments": {"a": "b"}}, ("Mcp-Name", "p")),
    modern("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}}),
    modern("tasks/get", {"taskId": "t", **TASKS}, ("Mcp-Name", "t")),
    modern("tasks/update", {"taskId": "t", "inputResponses": {"a": {"action": "accept"}}, **TASKS}, ("Mcp-Name", "t")),
    modern("tasks/cancel", {"taskId": "t", **TASKS}, ("Mcp-Name", "t")),
    modern("subscriptions/listen", LISTEN),
    legacy("initialize", INITIALIZE),
    legacy("notifications/initialized"),
    legacy("ping"),
    legacy("tools/list", {}),
    legacy("tools/call", {"name": "discover", "arguments": {"query": "issue"}}),
    legacy("tools/call", {"name": "execute", "arguments": EXECUTE}),
    legacy("tools/call", {"name": "execute", "arguments": EXECUTE, "_meta": {"progressToken": "p"}}),
    legacy("resources/subscribe", {"uri": "test://a"}),
    legacy("logging/setLevel", {"level": "debug"}),
)
DIRECT = (
    modern("tools/list", {}, path="/mcp/modern"),
    call("create_issue", ARGUMENTS, ("Mcp-Param-Repo", "a/b"), path="/mcp/modern"),
    call("modern.create_issue", ARGUMENTS, ("Mcp-Param-Repo", "a/b")),
    legacy("tools/call", {"name": "create_issue", "arguments": ARGUMENTS}, path="/mcp/legacy"),
    legacy("tools/call", {"name": "legacy.create_issue", "arguments": ARGUMENTS}),
    legacy("tools/list", {}),
    modern("resources/read", {"uri": "test://a"}, ("Mcp-Name", "test://a"), path="/mcp/modern"),
    modern("prompts/list", {}),
    modern("prompts/get", {"name": "modern.p", "arguments": {"a": "b"}}, ("Mcp-Name", "modern.p")),
    modern("resources/templates/list", {"cursor": "x"}),
    modern("subscriptions/listen", LISTEN),
    modern("subscriptions/listen", LISTEN, path="/mcp/modern"),
    modern(
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "a://{b}"}, "argument": {"name": "b", "value": "c"}},
        path="/mcp/modern",
    ),
    legacy("resources/subscribe", {"uri": "test://a"}, path="/mcp/legacy"),
    legacy("resources/read", {"uri": "test://a"}),
    legacy(
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}, "context": {"arguments": {"x": "y"}}},
    ),
)


def chosen(random: Random, mode: str) -> Request:
    """Some valid request for a server in this mode; sometimes one that is meant for the other."""
    return random.choice(DIRECT if (mode == "mcp_only") ^ (random.random() < 0.1) else VALID)
