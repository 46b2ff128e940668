"""Is the Deployment there, rolled out and available? An ordered chain of checks over everything gathered before."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.pods import Autoscaling
from mcp_optimizer_api.status import Reason

from .finding import Finding, first
from .pods import pod_problem

_POD_NAME = re.compile(r'^pods "[^"]*" is forbidden: ')
_LIMITS = re.compile(r"(maximum|minimum) (cpu|memory|\S+) (usage|limit)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A Deployment as observed, what was asked of it, and what came in between."""

    replicas: int
    """spec.replicas of the resource."""
    autoscaling: Autoscaling
    deployment: Manifest | None
    pods: Sequence[Manifest]
    hpa: Manifest | None = None
    policy: Manifest | None = None
    failure: Finding | None = None
    """Why the children could not be applied."""

    @property
    def wanted(self) -> int:
        """Replicas the Deployment is asked for now."""
        if self.autoscaling.enabled and self.deployment is not None:
            return int(self.deployment["spec"].get("replicas", 1))
        return self.replicas

    @property
    def baseline(self) -> int:
        """Ready replicas that make the workload Ready: growing beyond the autoscaler's minimum is no trouble."""
        return min(self.wanted, self.autoscaling.min_replicas) if self.autoscaling.enabled else self.wanted

    def count(self, field: str) -> int:
        """A number from the Deployment's status."""
        return int(((self.deployment or {}).get("status") or {}).get(field) or 0)

    @property
    def rolled_out(self) -> bool:
        """Whether every Pod is of the current template."""
        if self.deployment is None:
            return False
        observed = (self.deployment.get("status") or {}).get("observedGeneration", 0)
        current = observed >= self.deployment["metadata"].get("generation", 0)
        return current and self.count("updatedReplicas") == self.count("replicas") >= min(self.wanted, self.baseline)


def availability(workload: Workload) -> Finding:
    """The Available condition: does at least one Pod serve?"""
    if workload.deployment is not None and workload.wanted == 0:
        return Finding(False, Reason.SCALED_TO_ZERO, "spec.replicas is 0, so nothing runs.")
    serving = workload.count("readyReplicas")
    if serving > 0:
        return Finding(True, Reason.READY, "At least one Pod is ready.")
    trouble = standing(workload)
    return Finding(False, trouble.reason, trouble.message)


def standing(workload: Workload) -> Finding:
    """Whether the workload is as asked for, and if not, the cause."""
    return first(_CHECKS, workload, Finding(True, Reason.READY, "All replicas are ready."))


def scaling(workload: Workload) -> Finding:
    """The ScalingActive condition, in the autoscaler's own words."""
    if not workload.autoscaling.enabled:
        return Finding(False, Reason.AUTOSCALING_DISABLED, "spec.autoscaling.enabled is false.")
    conditions = ((workload.hpa or {}).get("status") or {}).get("conditions") or ()
    for condition in conditions:
        if condition["type"] == "ScalingActive":
            if condition["status"] == "True":
                return Finding(True, Reason.SCALING_ACTIVE, "The autoscaler reads its metric and acts on it.")
            return Finding(
                False, Reason.SCALING_INACTIVE, condition.get("message") or condition.get("reason") or "The autoscaler cannot act."
            )
    return Finding(None, Reason.PROGRESSING, "The autoscaler has not looked yet.")


def isolation(workload: Workload, promise: str) -> Finding:
    """The NetworkIsolation condition: only a policy that is there isolates."""
    if workload.policy is None:
        return Finding(False, Reason.PROGRESSING, "The NetworkPolicy is not in place: everybody who reaches the Pods may connect.")
    return Finding(True, Reason.POLICY_APPLIED, promise)


def _applied(workload: Workload) -> Finding | None:
    return workload.failure


def _exists(workload: Workload) -> Finding | None:
    return None if workload.deployment is not None else Finding(None, Reason.PROGRESSING, "The Deployment is being created.")


def _asked_for_nothing(workload: Workload) -> Finding | None:
    return Finding(False, Reason.SCALED_TO_ZERO, "spec.replicas is 0, so nothing runs.") if workload.wanted == 0 else None


def _settled(workload: Workload) -> Finding | None:
    """Everything below asks why it is not."""
    satisfied = workload.rolled_out and workload.count("readyReplicas") >= workload.baseline
    return Finding(True, Reason.READY, "All replicas are ready.") if satisfied else None


def _refused(workload: Workload) -> Finding | None:
    for condition in _deployment_conditions(workload):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            # The Pod's name is random and new with every attempt.
            message = _POD_NAME.sub("", condition.get("message") or "")
            quota = "exceeded quota" in message or _LIMITS.search(message) is not None
            advice = "free or raise the quota" if quota else "the namespace does not admit the Pod"
            return Finding(False, Reason.QUOTA_EXCEEDED if quota else Reason.FORBIDDEN, f"Pods are refused ({advice}): {message[:400]}")
    return None


def _pods(workload: Workload) -> Finding | None:
    return pod_problem(workload.pods)


def _rolling(workload: Workload) -> Finding | None:
    if workload.rolled_out or workload.count("readyReplicas") < workload.baseline:
        return None
    return Finding(True, Reason.ROLLING_OUT, "New Pods are replacing old ones; the old ones serve until then.")


def _late(workload: Workload) -> Finding | None:
    for condition in _deployment_conditions(workload):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Finding(False, Reason.REPLICAS_UNAVAILABLE, f"{_tally(workload)} are ready, and no progress for ten minutes.")
    return None


def _short_of_pods(workload: Workload) -> Finding | None:
    fell = workload.rolled_out and workload.count("readyReplicas") > 0
    reason = Reason.REPLICAS_UNAVAILABLE if fell else Reason.PROGRESSING
    return Finding(False, reason, f"{_tally(workload)} are ready.")


_CHECKS: Sequence[Callable[[Workload], Finding | None]] = (
    _applied,
    _exists,
    _asked_for_nothing,
    _settled,
    _refused,
    _pods,
    _rolling,
    _late,
    _short_of_pods,
)


def _deployment_conditions(workload: Workload) -> Sequence[Manifest]:
    return ((workload.deployment or {}).get("status") or {}).get("conditions") or ()


def _tally(workload: Workload) -> str:
    return f"{workload.count('readyReplicas')} of {workload.wanted} replicas"
