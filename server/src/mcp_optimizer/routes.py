"""Which path shows what: one endpoint for all servers and, in direct mode, one for each under its own names."""

from contextvars import ContextVar
from typing import Final

from mcp_optimizer_api.names import MCP_PATH

from .snapshot import Snapshot

ROUTE: Final = "mcp_optimizer.server"
"""Key of the ASGI scope: the server whose route it is. Absent on the endpoint of all."""
MAX_NAME: Final = 63
route: ContextVar[str | None] = ContextVar("route", default=None)
"""The same, for the one hook of the SDK that is told nothing of its request."""


class NoRoute(Exception):
    """Nothing is served under this path; the message says why."""


def server_of(path: str, snapshot: Snapshot | None) -> str | None:
    """The server whose route this path is; None for the endpoint of all. Raises `NoRoute`."""
    path = path.rstrip("/")
    if path == MCP_PATH:
        return None
    prefix, _, name = path.rpartition("/")
    if prefix != MCP_PATH or not 0 < len(name) <= MAX_NAME:
        raise NoRoute(f"the MCP endpoint is {MCP_PATH}, and {MCP_PATH}/SERVER in mode mcp_only")
    if snapshot is None:
        raise NoRoute("no configuration yet: try again in a moment")
    if snapshot.config.mode != "mcp_only":
        raise NoRoute(f"{MCP_PATH}/SERVER is served in mode mcp_only; the mode is {snapshot.config.mode}: use {MCP_PATH}")
    if name not in snapshot.offers:
        raise NoRoute(f"no server {name!r} is federated here")
    return name
