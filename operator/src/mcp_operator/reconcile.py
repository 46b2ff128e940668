"""One reconciliation: gather → desired → diff → apply → status, for one key. What differs between the kinds is in the two modules below.

The result is always computed from the present state; why the key was queued is neither known nor asked.
"""

from mcp_optimizer_api.status import ConditionType, Reason

from .context import Context
from .errors import NamespaceTerminatingError
from .kinds import MCP_OPTIMIZER, Key, Manifest
from .reconcile_optimizer import reconcile_optimizer
from .reconcile_server import reconcile_server
from .resource import InvalidSpecError, status_of
from .status.finding import Finding, conditions
from .status.summary import summary


async def reconcile(context: Context, key: Key, *, attempt: int) -> float | None:
    """Bring one resource closer to what its spec says. Returns in how many seconds to look again, if time alone may change something."""
    obj = context.cache.get(key)
    if obj is None or obj["metadata"].get("deletionTimestamp"):
        forget(context, key)  # garbage collection deletes the children, with or without us
        return await context.pools.sweep(key) if obj is None and key.kind == MCP_OPTIMIZER.kind else None
    try:
        if key.kind == MCP_OPTIMIZER.kind:
            return await reconcile_optimizer(context, obj, attempt=attempt)
        return await reconcile_server(context, obj, attempt=attempt)
    except InvalidSpecError as error:
        return await _say_invalid(context, obj, str(error))
    except NamespaceTerminatingError:
        return None


def forget(context: Context, key: Key) -> None:
    """Drop everything remembered about a resource that is gone."""
    context.statuses.forget(key)
    context.patience.forget(key)
    context.verifier.forget(key)
    context.federation.forget(key)
    context.pools.forget(key)
    context.collector.forget(key)


async def _say_invalid(context: Context, obj: Manifest, message: str) -> float | None:
    old = status_of(obj)
    generation = obj["metadata"].get("generation", 0)
    findings: dict[ConditionType, Finding] = dict(summary(Finding(False, Reason.INVALID_SPEC, message)))
    told = conditions(findings, old.conditions, generation=generation, now=context.clock())
    new = old.model_copy(update={"observed_generation": generation, "conditions": told})
    return await context.statuses.write(obj, old, new)
