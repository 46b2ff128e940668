"""One MCPOptimizer: its config, its server Pods, its sandbox pool, and what all of them report."""

from mcp_optimizer_api.config import UpstreamConfig
from mcp_optimizer_api.names import optimizer_config_map
from mcp_optimizer_api.status import ConditionType, Reason

from .cache import controller_uid
from .children import Outcome, converge, finding
from .context import Collected, Context, PoolReport
from .desired.children import optimizer_children
from .desired.code_switch import why_code_is_off
from .desired.deployment import initial_replicas
from .desired.networkpolicy import sandbox_isolation
from .desired.rbac import service_account
from .errors import NamespaceTerminatingError, TerminalError, TransientError
from .gather import ready_pods, workload
from .keys_secret import converge_keys, decided
from .kinds import CONFIG_MAP, Key, Manifest, key_of
from .resource import Optimizer, optimizer
from .soonest import soonest
from .status.config import NOT_ASKED, config_hash, config_in_force
from .status.finding import Finding, said
from .status.optimizer import UNPROVED, OptimizerObserved, optimizer_status, ready
from .status.patience import CONFIG_SECONDS, STALL_SECONDS
from .status.pins import tools_pinned
from .status.probe import isolation_verified
from .status.summary import may_pass


async def reconcile_optimizer(context: Context, obj: Manifest, *, attempt: int) -> float | None:
    """Bring one MCPOptimizer closer to what its spec says."""
    opt = optimizer(obj)
    upstreams = context.federation.of(opt)
    outcome, pool = await _converge(context, opt, upstreams, attempt)
    context.collector.follow(opt.key, ready_pods(context.cache, opt.owner))
    if outcome.passing:
        raise outcome.passing
    config, lag = _config(context, opt)
    observed = _observed(context, opt, upstreams, outcome, pool, config)
    patience = context.patience.left(opt.key, "ready", may_pass(ready(observed), opt.status.conditions), STALL_SECONDS)
    status = optimizer_status(observed, now=context.clock(), patience=patience)
    rewrite = await context.statuses.write(obj, opt.status, status)
    if outcome.error is not None:
        raise outcome.error
    return soonest(pool.requeue_after if pool is not None else None, rewrite, patience or None, lag or None)


async def _converge(context: Context, opt: Optimizer, upstreams: list[UpstreamConfig], attempt: int) -> tuple[Outcome, PoolReport | None]:
    """Children first: the pool's Pods start behind their NetworkPolicy, and with the key that the servers mount."""
    if opt.spec.paused:
        _, key = decided(context.cache, context.keys, opt)
        return Outcome(), await context.pools.reconcile(opt, key)
    account = service_account(opt.owner)
    first = await converge(context.applier, opt.owner, [account], attempt=attempt, prune=False)
    live = context.cache.get(key_of(account))
    if live is None or first.unanswered:
        return first, None
    manifests = optimizer_children(opt.owner, opt.spec, upstreams, context.settings, account_uid=live["metadata"]["uid"])
    replicas = initial_replicas(opt.spec.replicas, opt.spec.autoscaling) if opt.spec.autoscaling.enabled else None
    stored, refused = await converge_keys(context, opt, attempt=attempt)
    outcome = first | await converge(context.applier, opt.owner, manifests, replicas=replicas, attempt=attempt) | refused
    if stored is None or outcome.unanswered or not _isolated(context, opt):
        return outcome, None
    return await _fill(context, opt, stored, outcome, attempt)


def _isolated(context: Context, opt: Optimizer) -> bool:
    """Whether the sandboxes' NetworkPolicy is in place. Other children that are refused keep nobody from running code, this one does."""
    found = context.cache.get(key_of(sandbox_isolation(opt.owner)))
    return found is not None and controller_uid(found) == opt.owner.uid


async def _fill(context: Context, opt: Optimizer, key: bytes, outcome: Outcome, attempt: int) -> tuple[Outcome, PoolReport | None]:
    """Look after the pool. When that fails, the rest of the status still has to be told."""
    try:
        return outcome, await context.pools.reconcile(opt, key)
    except NamespaceTerminatingError:
        raise
    except (TransientError, TerminalError) as error:
        return outcome | Outcome(failure=finding(error, attempt), error=error), None


def _observed(
    context: Context, opt: Optimizer, upstreams: list[UpstreamConfig], outcome: Outcome, pool: PoolReport | None, config: Finding
) -> OptimizerObserved:
    collected = context.collector.collected(opt.key)
    return OptimizerObserved(
        optimizer=opt,
        workload=workload(context.cache, opt, outcome.failure),
        selected=[upstream.name for upstream in upstreams],
        federated=collected.servers if collected is not None else None,
        metrics=collected.metrics if collected is not None else None,
        sandbox=_sandbox(opt, pool),
        sandboxes=pool.counts if pool is not None else opt.status.sandboxes,
        egress=_egress(opt, pool),
        isolation=_probed(opt, collected),
        config=config,
        pins=_pins(context, opt, collected),
        behind=opt.spec.paused and _behind(context, opt, upstreams),
    )


def _behind(context: Context, opt: Optimizer, upstreams: list[UpstreamConfig]) -> bool:
    """Whether the children of a paused MCPOptimizer are other than its spec asks for."""
    account = context.cache.get(key_of(service_account(opt.owner)))
    if account is None:
        return True
    manifests = optimizer_children(opt.owner, opt.spec, upstreams, context.settings, account_uid=account["metadata"]["uid"])
    return context.applier.behind(opt.owner, manifests)


def _config(context: Context, opt: Optimizer) -> tuple[Finding, float]:
    """The ConfigInForce condition, and for how many seconds a Pod that lags may still catch up."""
    before = said(opt.status.conditions, ConditionType.CONFIG_IN_FORCE)
    collected = context.collector.collected(opt.key)
    wanted = _rendered(context, opt)
    if collected is None or wanted is None:
        return (before if before is not None and ready_pods(context.cache, opt.owner) else NOT_ASKED), 0.0
    lagging = any(found != wanted for found in collected.configs)
    left = context.patience.left(opt.key, "config", wanted if lagging else None, CONFIG_SECONDS)
    return config_in_force(wanted, collected.configs, patience=left, before=before), left


def _rendered(context: Context, opt: Optimizer) -> str | None:
    """Hash of the config that the server Pods should run; None before there is one."""
    found = context.cache.get(Key(CONFIG_MAP.kind, opt.key.namespace, optimizer_config_map(opt.owner.name)))
    return config_hash(found) if found is not None else None


def _pins(context: Context, opt: Optimizer, collected: Collected | None) -> Finding | None:
    """The ToolsPinned condition. A Pod that runs an earlier config speaks of earlier pins."""
    unknown = None
    if collected is not None and collected.configs and set(collected.configs) == {_rendered(context, opt)}:
        unknown = collected.unknown_pins
    return tools_pinned(opt.spec.tools.pinned, unknown, said(opt.status.conditions, ConditionType.TOOLS_PINNED))


def _egress(opt: Optimizer, pool: PoolReport | None) -> Finding:
    """The EgressEnforced condition: a proof holds until there is a newer one, a switch only as long as it is set."""
    off = why_code_is_off(opt.spec)
    if off is not None:
        return Finding(None, Reason.SANDBOX_DISABLED, f"No code runs: {off}.")
    if pool is not None and pool.egress is not None:
        return Finding(pool.egress.ready, pool.egress.reason, pool.egress.message)
    before = said(opt.status.conditions, ConditionType.EGRESS_ENFORCED)
    return before if before is not None and before.reason in (Reason.EGRESS_DENIED, Reason.EGRESS_OPEN) else UNPROVED


def _probed(opt: Optimizer, collected: Collected | None) -> Finding:
    """The IsolationVerified condition."""
    reports = collected.isolation if collected is not None else ()
    return isolation_verified(why_code_is_off(opt.spec), reports, said(opt.status.conditions, ConditionType.ISOLATION_VERIFIED))


def _sandbox(opt: Optimizer, pool: PoolReport | None) -> Finding:
    """The SandboxReady condition; what was said before when the pool could not even be looked at."""
    if pool is not None:
        return Finding(pool.verdict.ready, pool.verdict.reason, pool.verdict.message)
    return said(opt.status.conditions, ConditionType.SANDBOX_READY) or Finding(None, Reason.PROGRESSING, "Waiting for what the pool needs.")
