"""Snapshots of catalogues that a test writes."""

from types import SimpleNamespace
from typing import Any

from mcp_optimizer.snapshot import Snapshot, ToolCache, compile_snapshot
from mcp_optimizer.upstream.upstream import Offer
from mcp_optimizer_api.config import SandboxConfig, ServerConfig


def tool(name: str, properties: dict[str, Any] | None = None, required: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A definition; `more` may have description, outputSchema and `schema`, further members of the input schema."""
    schema = {"type": "object", "properties": properties or {}, "required": required or [], **more.pop("schema", {})}
    return {"name": name, "inputSchema": schema, **more}


def snapshot(*, same_python: bool = True, exclude: tuple[str, ...] = (), **servers: list[dict[str, Any]]) -> Snapshot:
    """A snapshot of these servers; an underscore in a name stands for a dash. A server without tools is one not contacted yet."""
    config = ServerConfig.model_validate(
        {
            "namespace": "n",
            "name": "x",
            "uid": "u",
            "tools": {"exclude": list(exclude)},
            "sandbox": SandboxConfig(enabled=True, same_python=same_python),
        }
    )
    offers: Any = [(SimpleNamespace(name=name.replace("_", "-")), Offer(catalogue=tuple(tools))) for name, tools in servers.items()]
    return compile_snapshot(config, "hash", offers, ToolCache())
