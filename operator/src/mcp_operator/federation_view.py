"""Which federated servers work, as the data plane itself sees them.

A request may land on any server Pod, so a server counts as ready only when every Pod that reported sees it ready. A server that no Pod
has in its configuration yet is not ready either. What a Pod says of an error is text of a stranger's server and is cleaned accordingly.
"""

from collections.abc import Sequence

from mcp_optimizer_api.optimizer import FederatedServer, ServerTotals
from mcp_optimizer_api.stats import ServerStats, UpstreamStats

from .mcp_wire import printable

LISTED = 100
MESSAGE = 256


def federated(expected: Sequence[str], reports: Sequence[ServerStats]) -> tuple[ServerTotals, list[FederatedServer]]:
    """Totals over all `expected` servers, and the first hundred of them, those in trouble first."""
    seen: dict[str, list[UpstreamStats]] = {}
    for report in reports:
        for upstream in report.upstreams:
            seen.setdefault(upstream.name, []).append(upstream)
    servers = [_server(name, seen.get(name, ()), len(reports)) for name in sorted(set(expected))]
    ready = [server for server in servers if server.ready]
    totals = ServerTotals(total=len(servers), ready=len(ready), tools=sum(server.tools for server in ready))
    return totals, sorted(servers, key=lambda server: (server.ready, server.name))[:LISTED]


def _server(name: str, views: Sequence[UpstreamStats], pods: int) -> FederatedServer:
    tools = max((view.tools for view in views), default=0)
    failing = [view for view in views if not view.ready]
    if pods == 0:
        return FederatedServer(name=name, ready=False, tools=0, message="No server Pod has reported yet.")
    if not views:
        return FederatedServer(name=name, ready=False, tools=0, message="The server Pods have not loaded it yet.")
    if not failing:
        return FederatedServer(name=name, ready=True, tools=tools)
    cause = next((view.error for view in failing if view.error), "no reason given")
    share = "" if len(failing) == len(views) else f"On {len(failing)} of {len(views)} server Pods: "
    return FederatedServer(name=name, ready=False, tools=tools, message=share + printable(cause, MESSAGE - len(share)))
