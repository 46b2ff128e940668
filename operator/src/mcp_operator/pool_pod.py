"""What the pool needs to know of one sandbox Pod, read from the Pod itself and from what the server Pods announced.

The servers announce a claim and an end at once; the kubelet shows them about a second later. Both lead to the same state, so a lost
announcement costs a second and an operator restart costs nothing: a running Pod that is not ready *any more* is busy, one that is not
ready *yet* is starting, and the Ready condition's transition time against the container's start tells the two apart.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mcp_optimizer_api.names import TEMPLATE_HASH_ANNOTATION
from mcp_optimizer_api.status import Reason

from .clock import from_rfc3339
from .desired.sandbox_pod import job_seconds
from .kinds import Manifest

_WAITING: Final[dict[str, Reason]] = {
    "ErrImagePull": Reason.IMAGE_PULL_FAILED,
    "ImagePullBackOff": Reason.IMAGE_PULL_FAILED,
    "InvalidImageName": Reason.IMAGE_PULL_FAILED,
    "ErrImageNeverPull": Reason.IMAGE_PULL_FAILED,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG_ERROR,
    "CreateContainerError": Reason.CONTAINER_CONFIG_ERROR,
    "RunContainerError": Reason.CONTAINER_CONFIG_ERROR,
}
MESSAGE_LIMIT: Final = 300
TERMINAL: Final = frozenset({"Succeeded", "Failed"})
EXIT_NETWORK_OPEN: Final = 7
"""Exit code of the sandbox agent: the API server was still in reach when its patience was over."""


class PodState(StrEnum):
    """Where a sandbox Pod is in its one-way life."""

    STARTING = "starting"
    WARM = "warm"
    BUSY = "busy"
    FINISHED = "finished"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a Pod does not start. The kubelet or the scheduler keeps trying by itself, so replacing the Pod would not help."""

    reason: Reason
    message: str


@dataclass(frozen=True, kw_only=True)
class PoolPod:
    """A sandbox Pod as the pool sees it."""

    name: str
    uid: str
    state: PodState
    since: float
    """Unix time of entering the state: of creation while starting, of the claim while busy, of the announced end when finished."""
    created: float
    template_hash: str
    job_seconds: int = 0
    """How long it may be busy, as it was made; what was begun under an earlier spec keeps its time."""
    deleting: bool = False
    ended: bool = False
    """Finished by the kubelet's word, not only by a server's."""
    suspected: bool = False
    """A server cannot reach it."""
    problem: Problem | None = None
    failed_to_start: bool = False
    """It ended with an error without ever having been ready."""
    ending: str = ""
    """How it ended, for people."""
    network_open: bool = False
    """It ended because it reached the API server, which its NetworkPolicy forbids."""


def pool_pod(pod: Manifest, *, claimed_at: float | None = None, finished_at: float | None = None, suspected: bool = False) -> PoolPod:
    """Read a Pod; `claimed_at` and `finished_at` are when a server announced so, `suspected` that one cannot reach it."""
    metadata, status = pod.get("metadata", {}), pod.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    failed = status.get("phase") == "Failed" and claimed_at is None and not _was_ready(status, conditions.get("Ready", {}))
    created = _time(metadata.get("creationTimestamp")) or 0.0
    state = _state(status, conditions.get("Ready", {}), claimed=claimed_at is not None, finished=finished_at is not None)
    turned = _time(conditions.get("Ready", {}).get("lastTransitionTime")) or created
    return PoolPod(
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        state=state,
        since=_since(state, created, turned, claimed_at, finished_at),
        created=created,
        template_hash=(metadata.get("annotations") or {}).get(TEMPLATE_HASH_ANNOTATION, ""),
        job_seconds=job_seconds(pod),
        deleting=metadata.get("deletionTimestamp") is not None,
        ended=status.get("phase") in TERMINAL,
        suspected=suspected,
        problem=_problem(status, conditions) if state == PodState.STARTING else None,
        failed_to_start=failed,
        ending=_ending(status) if failed else "",
        network_open=failed and _exit_code(status) == EXIT_NETWORK_OPEN,
    )


def _since(state: PodState, created: float, turned: float, claimed_at: float | None, finished_at: float | None) -> float:
    if state == PodState.STARTING:
        return created
    if state == PodState.FINISHED and finished_at is not None:
        return finished_at
    return claimed_at if state == PodState.BUSY and claimed_at else turned


def _state(status: Manifest, ready: Manifest, *, claimed: bool, finished: bool) -> PodState:
    if finished or status.get("phase") in TERMINAL:
        return PodState.FINISHED
    if claimed:
        return PodState.BUSY
    if ready.get("status") == "True":
        return PodState.WARM
    return PodState.BUSY if status.get("phase") == "Running" and _was_ready(status, ready) else PodState.STARTING


def _was_ready(status: Manifest, ready: Manifest) -> bool:
    """Whether the Ready condition changed after the container started: to True, or to True and back."""
    started = _container_start(status)
    turned = _time(ready.get("lastTransitionTime"))
    return started is not None and turned is not None and turned > started


def _container_start(status: Manifest) -> float | None:
    for container in status.get("containerStatuses") or []:
        state = container.get("state") or {}
        for phase in ("running", "terminated"):
            if (started := _time((state.get(phase) or {}).get("startedAt"))) is not None:
                return started
    return None


def _problem(status: Manifest, conditions: dict[Any, Manifest]) -> Problem | None:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Problem(reason=Reason.UNSCHEDULABLE, message=_short(scheduled.get("message") or "No node has room for the Pod."))
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (reason := _WAITING.get(waiting.get("reason", ""))) is not None:
            return Problem(reason=reason, message=_short(waiting.get("message") or waiting["reason"]))
    return None


def _exit_code(status: Manifest) -> int | None:
    ended = [(container.get("state") or {}).get("terminated") for container in status.get("containerStatuses") or []]
    return next((state.get("exitCode") for state in ended if state), None)


def _ending(status: Manifest) -> str:
    for container in status.get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            return f"exit code {ended.get('exitCode')}, {ended.get('reason') or 'no reason given'}"
    return _short(status.get("message") or status.get("reason") or "no reason given")


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def _time(timestamp: str | None) -> float | None:
    return from_rfc3339(timestamp) if timestamp else None
