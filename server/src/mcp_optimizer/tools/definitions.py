"""What a client's model reads about this endpoint. Every word costs every conversation: together at most 400 tokens (a test counts)."""

from typing import Any, Final

from mcp_optimizer_api.config import SandboxConfig, ServerConfig

Definition = dict[str, Any]

DISCOVER: Final[Definition] = {
    "name": "discover",
    "description": (
        "Find tools. query: what one step of the task does, in a few words (search once per step); returns matching tools as "
        "server.tool(arg: type, optional?: type): purpose. ids: full input schemas of these tools. Neither: the servers."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "ids": {"type": "array", "items": {"type": "string"}},
            "detail": {"enum": ["brief", "schema"]},
            "limit": {"type": "integer"},
        },
    },
    "annotations": {"readOnlyHint": True},
}
EXECUTE: Final[Definition] = {
    "name": "execute",
    "description": "Call one tool found by discover. tool: its id, server.tool; arguments: what its signature asks for.",
    "inputSchema": {
        "type": "object",
        "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
        "required": ["tool"],
    },
}
EXECUTE_CODE: Final[Definition] = {
    "name": "execute_code",
    "description": (
        "Run Python in a fresh sandbox: standard library only, no network, nothing kept. Best for several calls, loops or large data: "
        'only what you print and the last expression come back. call("server.tool", arg=value) calls a tool and returns its result '
        "(dict, list or str; discover shows the arguments); "
        "ToolError if it fails. params is available as a dict."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {"code": {"type": "string"}, "params": {"type": "object"}, "timeout_s": {"type": "number"}},
        "required": ["code"],
    },
}


def definitions(config: ServerConfig) -> list[Definition]:
    """The meta-tools of this mode, always in the same order and words, so that a client's prompt cache stays valid."""
    tools = [DISCOVER]
    if config.mode == "hybrid":
        tools.append(EXECUTE)
    if offers_code(config.sandbox):
        tools.append(EXECUTE_CODE)
    return tools


def offers_code(sandbox: SandboxConfig) -> bool:
    """Whether execute_code is listed: also while it is refused for a reason that an administrator is expected to remove."""
    return sandbox.enabled or sandbox.disabled_reason is not None
