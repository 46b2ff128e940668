"""Which federated servers work, as the data plane itself sees them.

A request may land on any server Pod, so a server counts as ready only when every Pod that knows it sees it ready. What a Pod
says of an error is text of a stranger's server and is cleaned accordingly.
"""

from collections.abc import Sequence

from mcp_optimizer_api.optimizer import FederatedServer
from mcp_optimizer_api.stats import ServerStats, UpstreamStats

from .mcp_wire import printable

MESSAGE = 256


def federated(reports: Sequence[ServerStats]) -> list[FederatedServer]:
    """Every server that any of the Pods knows, by name."""
    seen: dict[str, list[UpstreamStats]] = {}
    for report in reports:
        for upstream in report.upstreams:
            seen.setdefault(upstream.name, []).append(upstream)
    return [_server(name, seen[name]) for name in sorted(seen)]


def _server(name: str, views: Sequence[UpstreamStats]) -> FederatedServer:
    tools = max(view.tools for view in views)
    failing = [view for view in views if not view.ready]
    if not failing:
        return FederatedServer(name=name, ready=True, tools=tools)
    cause = next((view.error for view in failing if view.error), "no reason given")
    share = "" if len(failing) == len(views) else f"On {len(failing)} of {len(views)} server Pods: "
    return FederatedServer(name=name, ready=False, tools=tools, message=share + printable(cause, MESSAGE - len(share)))
