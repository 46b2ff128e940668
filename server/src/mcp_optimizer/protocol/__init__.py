"""MCP on the wire towards clients, in both protocol eras."""

from .server import build_manager, build_server

__all__ = ["build_manager", "build_server"]
