"""Status of an MCPOptimizer, computed from what was gathered. Pure: the time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_operator.aggregate import idle
from mcp_operator.desired.service import service_url
from mcp_operator.resource import Optimizer
from mcp_optimizer_api.optimizer import FederatedServer, MCPOptimizerStatus, Metrics, SandboxCounts, ServerTotals
from mcp_optimizer_api.status import ConditionType, Reason

from .config import NOT_ASKED
from .finding import Finding, conditions
from .probe import NOT_PROBED
from .server import selector
from .summary import BEHIND, NEEDS_A_HUMAN, paused, summary
from .workload import Workload, availability, isolation, scaling, standing

MAX_SERVERS = 100
UNPROVED = Finding(None, Reason.PROGRESSING, "No sandbox Pod has tried to reach the network yet.")
_NO_POLICY = Finding(False, Reason.POLICY_DISABLED, "spec.networkPolicy.enabled is false: only the sandboxes are isolated.")
_NO_AUTHENTICATION = Finding(True, Reason.NO_AUTHENTICATION, "Everybody who reaches the endpoint may call every tool.")


@dataclass(frozen=True, kw_only=True)
class OptimizerObserved:
    """Everything the status of one MCPOptimizer is computed from."""

    optimizer: Optimizer
    workload: Workload
    selected: Sequence[str]
    """Names of the MCPServers that are federated."""
    federated: Sequence[FederatedServer] | None
    """As the server Pods see them; None while nobody has asked them since the operator started."""
    metrics: Metrics | None
    """None: nothing new."""
    sandbox: Finding
    sandboxes: SandboxCounts
    egress: Finding = UNPROVED
    """Whether code in a sandbox is kept from the network."""
    isolation: Finding = NOT_PROBED
    """What a probe job found in a sandbox."""
    config: Finding = NOT_ASKED
    """Whether the server Pods run the present config."""
    pins: Finding | None = None
    """Whether the pinned tools exist; None: nothing is pinned."""
    behind: bool = False
    """Paused, and the children are not as this generation asks for."""


def optimizer_status(observed: OptimizerObserved, *, now: float, patience: float = 0.0) -> MCPOptimizerStatus:
    """The whole status."""
    optimizer, workload = observed.optimizer, observed.workload
    findings: dict[ConditionType, Finding] = {
        **summary(ready(observed), patience=patience),
        ConditionType.AVAILABLE: availability(workload),
        ConditionType.SCALING_ACTIVE: scaling(workload),
        ConditionType.SANDBOX_READY: observed.sandbox,
        ConditionType.EGRESS_ENFORCED: observed.egress,
        ConditionType.ISOLATION_VERIFIED: observed.isolation,
        ConditionType.CONFIG_IN_FORCE: observed.config,
        **({ConditionType.TOOLS_PINNED: observed.pins} if observed.pins is not None else {}),
        ConditionType.NETWORK_ISOLATION: _isolation(observed),
        ConditionType.AUTH_DISABLED: _NO_AUTHENTICATION,
        ConditionType.PAUSED: paused(optimizer.spec.paused),
    }
    totals, servers = _federation(observed)
    return MCPOptimizerStatus(
        observed_generation=optimizer.status.observed_generation if observed.behind else optimizer.generation,
        conditions=conditions(findings, optimizer.status.conditions, generation=optimizer.generation, now=now),
        replicas=workload.count("replicas"),
        ready_replicas=workload.count("readyReplicas"),
        selector=selector(optimizer.owner.selector),
        endpoint=service_url(optimizer.owner),
        totals=totals,
        servers=servers,
        sandboxes=observed.sandboxes,
        metrics=_metrics(observed),
    )


def _metrics(observed: OptimizerObserved) -> Metrics | None:
    """Without a Pod that serves nothing is called, whatever was said last."""
    known = observed.metrics or observed.optimizer.status.metrics
    return known if known is None or observed.workload.count("readyReplicas") else idle(known)


def _isolation(observed: OptimizerObserved) -> Finding:
    if not observed.optimizer.spec.network_policy.enabled:
        return _NO_POLICY
    return isolation(observed.workload, "NetworkPolicies are in place; the cluster's network plugin has to enforce them.")


def _federation(observed: OptimizerObserved) -> tuple[ServerTotals, list[FederatedServer]]:
    old = observed.optimizer.status
    serving = observed.workload.count("readyReplicas") > 0
    if observed.federated is None and serving and old.totals.total == len(observed.selected):
        return old.totals, list(old.servers)  # an operator restart is no news
    known = {server.name: server for server in observed.federated or ()} if serving else {}
    excuse = "The server Pods have not asked it yet." if serving else "No server Pod is ready."
    servers = [known.get(name) or FederatedServer(name=name, ready=False, tools=0, message=excuse) for name in observed.selected]
    servers.sort(key=lambda server: (server.ready, server.name))
    working = [server for server in servers if server.ready]
    totals = ServerTotals(total=len(servers), ready=len(working), tools=sum(server.tools for server in working))
    return totals, servers[:MAX_SERVERS]


def ready(observed: OptimizerObserved) -> Finding:
    """Ready: the endpoint serves as asked for, and code can run unless somebody switched that off. A busy pool is a healthy one."""
    if observed.behind:
        return BEHIND
    stand = standing(observed.workload)
    if stand.holds is not True:
        return stand
    if observed.config.holds is False:
        return observed.config
    sandbox = observed.sandbox
    if observed.isolation.holds is False:
        return observed.isolation
    off = sandbox.reason is Reason.SANDBOX_DISABLED
    if sandbox.holds is False and not off:
        return Finding(False, sandbox.reason if sandbox.reason in NEEDS_A_HUMAN else Reason.PROGRESSING, sandbox.message)
    return stand
