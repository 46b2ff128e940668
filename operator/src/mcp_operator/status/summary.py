"""Ready, Reconciling and Stalled as kstatus reads them: what `kubectl wait`, Helm, Argo CD and Flux act on."""

from mcp_optimizer_api.status import ConditionType, Reason

from .finding import Finding

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
        Reason.NOT_MCP,
    }
)
"""Causes that stay until somebody changes something. The operator notices when it happens; nobody has to tell it."""


def summary(ready: Finding) -> dict[ConditionType, Finding]:
    """The three conditions, from the one finding that decides."""
    stalled = ready.holds is not True and ready.reason in NEEDS_A_HUMAN
    at_rest = stalled or ready.reason is Reason.SCALED_TO_ZERO or (ready.holds is True and ready.reason is not Reason.ROLLING_OUT)
    done = Finding(False, Reason.RECONCILED, "Nothing is left to do.")
    return {
        ConditionType.READY: Finding(ready.holds is True, ready.reason, ready.message),
        ConditionType.RECONCILING: done if at_rest else Finding(True, _ongoing(ready), ready.message),
        ConditionType.STALLED: Finding(True, ready.reason, ready.message)
        if stalled
        else Finding(False, Reason.RECONCILED, "Nothing is stuck."),
    }


def paused(value: bool) -> Finding:
    """The Paused condition."""
    if value:
        return Finding(True, Reason.PAUSED, "spec.paused is true: children are left as they are.")
    return Finding(False, Reason.NOT_PAUSED, "spec.paused is false.")


def _ongoing(ready: Finding) -> Reason:
    return ready.reason if ready.reason is not Reason.READY else Reason.PROGRESSING
