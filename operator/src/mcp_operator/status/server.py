"""Status of an MCPServer, computed from what was gathered. Pure: the time is an argument."""

from dataclasses import dataclass

from mcp_operator.desired.service import service_url
from mcp_operator.resource import Server
from mcp_optimizer_api.server import MCPServerStatus, Tools
from mcp_optimizer_api.status import ConditionType, Reason

from .finding import Finding, conditions
from .summary import BEHIND, paused, summary
from .workload import Workload, availability, isolation, scaling, standing

NOT_CHECKED = Finding(None, Reason.NOT_CHECKED, "There is no Pod to check yet.")


@dataclass(frozen=True, kw_only=True)
class ServerObserved:
    """Everything the status of one MCPServer is computed from."""

    server: Server
    workload: Workload | None
    """None for a remote server: nothing of it runs here."""
    verified: Finding
    """What the last MCP handshake said."""
    tools: Tools | None
    """From the last successful check."""
    behind: bool = False
    """Paused, and the children are not as this generation asks for."""


def server_status(observed: ServerObserved, *, now: float, patience: float = 0.0) -> MCPServerStatus:
    """The whole status."""
    server, workload = observed.server, observed.workload
    findings: dict[ConditionType, Finding] = dict(summary(ready(observed), patience=patience))
    if workload is not None:
        findings[ConditionType.AVAILABLE] = availability(workload)
    findings[ConditionType.VERIFIED] = observed.verified
    if workload is not None:
        findings[ConditionType.SCALING_ACTIVE] = scaling(workload)
        findings[ConditionType.NETWORK_ISOLATION] = isolation(workload, "Only server Pods of this namespace and the operator may connect.")
    findings[ConditionType.PAUSED] = paused(server.spec.paused)
    return MCPServerStatus(
        observed_generation=server.status.observed_generation if observed.behind else server.generation,
        conditions=conditions(findings, server.status.conditions, generation=server.generation, now=now),
        replicas=workload.count("replicas") if workload else 0,
        ready_replicas=workload.count("readyReplicas") if workload else 0,
        selector=selector(server.owner.selector) if workload else None,
        endpoint=endpoint(server),
        tools=observed.tools,
    )


def ready(observed: ServerObserved) -> Finding:
    """Ready: it runs as asked for, and it really speaks MCP. Wanting credentials is no fault of the server."""
    if observed.behind:
        return BEHIND
    stand = standing(observed.workload) if observed.workload is not None else Finding(True, Reason.READY, "")
    if stand.holds is not True:
        return stand
    verified = observed.verified
    if verified.holds is None and verified.reason is not Reason.AUTH_REQUIRED:
        return Finding(False, Reason.PROGRESSING, "Waiting for the first MCP handshake.")
    if verified.holds is False:
        return verified
    if stand.reason is Reason.ROLLING_OUT:
        return stand
    return Finding(True, Reason.READY, verified.message)


def endpoint(server: Server) -> str:
    """URL of its MCP endpoint."""
    if server.spec.remote is not None:
        return server.spec.remote.url
    return service_url(server.owner, server.spec.path)


def selector(labels: dict[str, str]) -> str:
    """Labels as the scale subresource wants them."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
