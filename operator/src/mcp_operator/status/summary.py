"""Ready, Reconciling and Stalled as kstatus reads them: what `kubectl wait`, Helm, Argo CD and Flux act on."""

from collections.abc import Sequence

from mcp_optimizer_api.status import Condition, ConditionType, Reason

from .finding import Finding, said

NEEDS_A_HUMAN = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.IMAGE_PULL_FAILED,
        Reason.SECRET_NOT_FOUND,
        Reason.CONTAINER_CONFIG_ERROR,
        Reason.CRASH_LOOP,
        Reason.UNSCHEDULABLE,
        Reason.QUOTA_EXCEEDED,
        Reason.FORBIDDEN,
        Reason.RUNTIME_CLASS_NOT_FOUND,
        Reason.ISOLATION_FAILED,
        Reason.NOT_MCP,
        Reason.EGRESS_OPEN,
    }
)
"""Causes that stay until somebody changes something. The operator notices when it happens; nobody has to tell it."""
MAY_PASS = frozenset({Reason.UNSCHEDULABLE, Reason.IMAGE_PULL_FAILED, Reason.NOT_MCP})
"""Those among them that a node on its way, an image on its way or a server that starts up cause as well."""


def may_pass(ready: Finding, old: Sequence[Condition]) -> str | None:
    """The cause that has to last before it is called Stalled; None when there is none, or when the status says Stalled already."""
    if ready.holds is True or ready.reason not in MAY_PASS:
        return None
    before = said(old, ConditionType.STALLED)
    return None if before is not None and before.holds and before.reason is ready.reason else ready.reason.value


def summary(ready: Finding, *, patience: float = 0.0) -> dict[ConditionType, Finding]:
    """The three conditions, from the one finding that decides; `patience`: seconds for which its cause may still pass."""
    if ready.reason is Reason.PAUSED:
        return _left_alone(ready)
    stalled = ready.holds is not True and ready.reason in NEEDS_A_HUMAN and patience <= 0
    at_rest = stalled or ready.reason is Reason.SCALED_TO_ZERO or (ready.holds is True and ready.reason is not Reason.ROLLING_OUT)
    done = Finding(False, Reason.RECONCILED, "Nothing is left to do.")
    return {
        ConditionType.READY: Finding(ready.holds is True, ready.reason, ready.message),
        ConditionType.RECONCILING: done if at_rest else Finding(True, _ongoing(ready), ready.message),
        ConditionType.STALLED: Finding(True, ready.reason, ready.message)
        if stalled
        else Finding(False, Reason.RECONCILED, "Nothing is stuck."),
    }


BEHIND = Finding(
    False, Reason.PAUSED, "spec.paused is true, and what exists is not what this generation asks for: set it to false to go on."
)
"""Ready, while paused, with children that differ from the spec."""


def paused(value: bool) -> Finding:
    """The Paused condition."""
    if value:
        return Finding(True, Reason.PAUSED, "spec.paused is true: children are left as they are.")
    return Finding(False, Reason.NOT_PAUSED, "spec.paused is false.")


def _left_alone(ready: Finding) -> dict[ConditionType, Finding]:
    """Paused with work undone: nobody is at it, and nothing is wrong."""
    return {
        ConditionType.READY: ready,
        ConditionType.RECONCILING: Finding(False, Reason.PAUSED, ready.message),
        ConditionType.STALLED: Finding(False, Reason.PAUSED, "Nothing is stuck."),
    }


def _ongoing(ready: Finding) -> Reason:
    return ready.reason if ready.reason is not Reason.READY else Reason.PROGRESSING
