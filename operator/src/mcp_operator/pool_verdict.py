"""What the pool's state means to people: the SandboxReady condition.

It speaks of whether jobs can run, not of the last Pod: every job takes a Pod out of the pool for a second, and a condition that turned
with each of them would cost more writes than the pool itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_optimizer_api.status import Reason

from .pool import Plan, PoolTarget
from .pool_hold import Hold
from .pool_pod import PodState, PoolPod, Problem

UNREADY = (
    "Sandbox Pods do not become ready. An agent that can still reach the API server waits for its NetworkPolicy to be enforced: "
    "check that the cluster's network plugin does so, and see the Pods' logs."
)


@dataclass(frozen=True, kw_only=True)
class PoolVerdict:
    """Of the SandboxReady condition."""

    ready: bool
    reason: Reason
    message: str


NETWORK_OPEN = (
    "Sandbox Pods reach the API server although their NetworkPolicy forbids all egress, so none takes a job: use a network plugin that"
    " enforces NetworkPolicies. Only where all code is trusted: spec.sandbox.allowUnenforcedEgress runs jobs all the same."
)


def egress_verdict(pods: Sequence[PoolPod], *, unchecked: bool, hold: Hold | None) -> PoolVerdict | None:
    """Judge whether sandboxes are kept from the network; None: nothing is known yet, or nothing new."""
    if unchecked:
        message = "spec.sandbox.allowUnenforcedEgress is true: nobody checks whether code in a sandbox reaches the network."
        return PoolVerdict(ready=False, reason=Reason.EGRESS_UNCHECKED, message=message)
    if hold is not None and hold.reason is Reason.EGRESS_OPEN:
        return PoolVerdict(ready=False, reason=Reason.EGRESS_OPEN, message=NETWORK_OPEN)
    if any(pod.state in (PodState.WARM, PodState.BUSY) for pod in pods):
        message = "Each sandbox Pod tries to reach the API server before it takes a job, and takes none if it can."
        return PoolVerdict(ready=True, reason=Reason.EGRESS_DENIED, message=message)
    return None


def pool_verdict(target: PoolTarget, plan: Plan, *, lately_warm: bool = False) -> PoolVerdict:
    """Judge the pool as `plan` found it; `lately_warm`: some Pod was warm within the last half minute."""
    counts = plan.counts
    if target.off is not None:
        return PoolVerdict(ready=False, reason=Reason.SANDBOX_DISABLED, message=f"execute_code is off: {target.off}.")
    if plan.problem is not None and counts.warm < target.supply:
        have = "Fewer sandbox Pods are warm than asked for" if counts.warm or lately_warm else "No sandbox Pod is warm"
        return PoolVerdict(ready=counts.warm > 0 or lately_warm, reason=plan.problem.reason, message=f"{have}. {plan.problem.message}")
    if counts.warm > 0 or lately_warm:
        message = "The pool is kept filled: every sandbox Pod that a job takes is replaced at once."
        return PoolVerdict(ready=True, reason=Reason.POOL_AT_TARGET, message=message)
    if counts.busy > 0:
        return PoolVerdict(ready=True, reason=Reason.POOL_FILLING, message="Every sandbox Pod has a job; new ones are on their way.")
    if target.paused:
        message = "No sandbox Pod is warm, and none is made: spec.paused is true. Set it to false to go on."
        return PoolVerdict(ready=False, reason=Reason.PAUSED, message=message)
    message = UNREADY if plan.slow else "The first sandbox Pods are on their way."
    return PoolVerdict(ready=False, reason=Reason.POOL_FILLING, message=message)


def failed_start(pod: PoolPod) -> Problem:
    """Why a Pod never became ready."""
    if pod.network_open:
        return Problem(reason=Reason.EGRESS_OPEN, message=NETWORK_OPEN)
    if not pod.failed_to_start:
        return Problem(reason=Reason.POOL_FILLING, message=UNREADY)
    message = f"The sandbox agent ends before it is ready ({pod.ending}): check spec.sandbox.image and spec.sandbox.resources."
    return Problem(reason=Reason.CRASH_LOOP, message=message)
