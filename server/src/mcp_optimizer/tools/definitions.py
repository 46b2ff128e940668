"""What a client's model reads about this endpoint. Every word costs every conversation: together at most 400 tokens (a test counts).

Defaults are not listed, and what nearly always keeps its default is not listed at all: the endpoint takes more than it shows, all of which
docs/reference/meta-tools.md has.
"""

from typing import Any, Final

from mcp_optimizer_api.config import SandboxConfig, ServerConfig

Definition = dict[str, Any]

DISCOVER: Final[Definition] = {
    "name": "discover",
    "description": ("Find tools. query: a few words, once per step of the task. ids: schemas or a server's tools. Nothing: servers."),
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "ids": {"type": "array", "items": {"type": "string"}},
            "cursor": {"type": "string"},
        },
    },
    "annotations": {"readOnlyHint": True},
}
EXECUTE: Final[Definition] = {
    "name": "execute",
    "description": "Call a tool.",
    "inputSchema": {
        "type": "object",
        "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
        "required": ["tool"],
    },
}
EXECUTE_BATCH: Final[Definition] = {
    "name": "execute_batch",
    "description": 'Calls [{tool, arguments, id?}]; "${id.path.0}" inserts an earlier result.',
    "inputSchema": {
        "type": "object",
        "properties": {
            "calls": {"type": "array", "items": {"type": "object"}},
            "mode": {"enum": ["parallel"]},
        },
        "required": ["calls"],
    },
}
EXECUTE_CODE: Final[Definition] = {
    "name": "execute_code",
    "description": (
        "Run Python in a fresh sandbox (stdlib, no network). For loops, large data: only prints and the last expression "
        'return. call("server.tool", arg=value), or tools.server.tool(arg=value), gives dict, list or str; raises ToolError. '
        'artifacts/ is kept. session: "new" keeps variables, then its id.'
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "session": {"type": "string"},
        },
        "required": ["code"],
    },
}
META_TOOLS: Final = ("discover", "execute", "execute_batch", "execute_code")


def definitions(config: ServerConfig) -> list[Definition]:
    """The meta-tools of this mode, always in the same order and words, so that a client's prompt cache stays valid."""
    tools = [DISCOVER]
    if config.mode == "hybrid":
        tools += [EXECUTE, EXECUTE_BATCH]
    if offers_code(config.sandbox):
        tools.append(EXECUTE_CODE)
    return tools


def offers(config: ServerConfig, name: str) -> bool:
    """Whether this is one of the meta-tools of this mode."""
    if name == "execute_code":
        return offers_code(config.sandbox)
    return name == "discover" or (name in META_TOOLS and config.mode == "hybrid")


def offers_code(sandbox: SandboxConfig) -> bool:
    """Whether execute_code is listed: also while it is refused for a reason that an administrator is expected to remove."""
    return sandbox.enabled or sandbox.disabled_reason is not None
