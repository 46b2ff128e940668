"""One MCPServer: its Pods if it has an image, and the truth about whether it speaks MCP."""

from mcp_optimizer_api.server import Tools
from mcp_optimizer_api.status import ConditionType

from .check_schedule import fingerprint
from .children import Outcome, converge
from .context import Context
from .desired.children import server_children
from .desired.deployment import initial_replicas
from .gather import ready_pods, workload
from .kinds import Manifest
from .resource import Server, server
from .soonest import soonest
from .status.finding import Finding, said
from .status.patience import STALL_SECONDS
from .status.server import NOT_CHECKED, ServerObserved, endpoint, ready, server_status
from .status.summary import may_pass
from .verify import Outcome as Verdict
from .verify import Verification


async def reconcile_server(context: Context, obj: Manifest, *, attempt: int) -> float | None:
    """Bring one MCPServer closer to what its spec says."""
    srv = server(obj)
    outcome = Outcome()
    manifests = server_children(srv.owner, srv.spec, context.settings)
    if not srv.spec.paused:
        scaled = srv.spec.autoscaling.enabled
        replicas = initial_replicas(srv.spec.replicas, srv.spec.autoscaling) if scaled else None
        outcome = await converge(context.applier, srv.owner, manifests, replicas=replicas, attempt=attempt)
    if outcome.passing:
        raise outcome.passing
    verified, tools, recheck = _verify(context, srv)
    observed = ServerObserved(
        server=srv,
        workload=None if srv.spec.image is None else workload(context.cache, srv, outcome.failure),
        verified=verified,
        tools=tools,
        behind=srv.spec.paused and context.applier.behind(srv.owner, manifests),
    )
    patience = context.patience.left(srv.key, "ready", may_pass(ready(observed), srv.status.conditions), STALL_SECONDS)
    rewrite = await context.statuses.write(obj, srv.status, server_status(observed, now=context.clock(), patience=patience))
    if outcome.error is not None:
        raise outcome.error
    return soonest(recheck, rewrite, patience or None)


def _verify(context: Context, srv: Server) -> tuple[Finding, Tools | None, float | None]:
    """The Verified condition, the catalogue in brief, and when to check again."""
    pods = ready_pods(context.cache, srv.owner) if srv.spec.image is not None else []
    if srv.spec.image is not None and not pods:
        context.verifier.forget(srv.key)
        return NOT_CHECKED, srv.status.tools, None
    url = endpoint(srv)
    mark = fingerprint(url, srv.generation, *(pod["metadata"]["uid"] for pod in pods))
    verdict, recheck = context.verifier.ask(srv.key, url, mark)
    if verdict is None:
        # Until the first check of this process is done: a restart of the operator is no news.
        return said(srv.status.conditions, ConditionType.VERIFIED) or NOT_CHECKED, srv.status.tools, recheck
    return _finding(verdict), _tools(verdict) or srv.status.tools, recheck


def _finding(verdict: Verification) -> Finding:
    return Finding({Verdict.VERIFIED: True, Verdict.FAILED: False}.get(verdict.outcome), verdict.reason, verdict.message)


def _tools(verdict: Verification) -> Tools | None:
    if verdict.outcome is not Verdict.VERIFIED:
        return None
    return Tools(
        count=verdict.count, catalogue_hash=verdict.hash, protocol_version=verdict.protocol_version, server_name=verdict.server_name
    )
