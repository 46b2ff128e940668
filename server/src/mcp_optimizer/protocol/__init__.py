"""MCP on the wire towards clients, in both protocol eras."""

from .legacy import LegacyClients
from .server import build_hosted, build_server

__all__ = ["LegacyClients", "build_hosted", "build_server"]
