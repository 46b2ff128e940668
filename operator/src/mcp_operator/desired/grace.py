"""How long a server Pod may take to end: long enough for the longest call its configuration allows."""

from typing import Final

from mcp_optimizer_api.config import ServerConfig

MARGIN_SECONDS: Final = 15
"""For the endpoints to forget the Pod, before and after SIGTERM, and for the last answers to be written."""
STEPS: Final = (60, 120, 300, 600, 1200, 1800, 3720)
"""The period is part of the Pod template, so a new one restarts every server Pod: it moves in few steps, not with every MCPServer."""


def grace_seconds(config: ServerConfig) -> int:
    """The least step that lets a call begin at the last moment and still run as long as it may."""
    longest = max((upstream.timeout_seconds for upstream in config.upstreams), default=0)
    if config.sandbox.enabled:
        longest = max(longest, config.sandbox.queue_seconds + config.sandbox.timeout_seconds)
    needed = longest + config.limits.queue_seconds + MARGIN_SECONDS
    return next((step for step in STEPS if step >= needed), STEPS[-1])
