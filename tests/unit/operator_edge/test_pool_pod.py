"""The state of a sandbox Pod, from the Pod and from what servers announced."""

from typing import Any

import pytest

from mcp_operator.clock import rfc3339
from mcp_operator.pool_pod import PodState, pool_pod
from mcp_optimizer_api.status import Reason

BORN = 1_000_000.0


def pod(
    phase: str, *, ready: bool = False, turned: float = 0, started: float | None = 1, state: str = "running", **more: Any
) -> dict[str, Any]:
    statuses = [] if started is None else [{"state": {state: {"startedAt": rfc3339(BORN + started)}}}]
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": rfc3339(BORN + turned)}
    return {
        "kind": "Pod",
        "metadata": {"name": "p", "uid": "u", "creationTimestamp": rfc3339(BORN), "annotations": {"mcp.optimizer.dev/template-hash": "h"}},
        "status": {"phase": phase, "conditions": [condition, *more.pop("conditions", [])], "containerStatuses": statuses, **more},
    }


def test_a_pod_without_status_is_starting() -> None:
    fresh = {"kind": "Pod", "metadata": {"name": "p", "uid": "u", "creationTimestamp": rfc3339(BORN)}}
    assert pool_pod(fresh).state == PodState.STARTING
    assert pool_pod(fresh).since == BORN


def test_a_running_pod_is_starting_then_warm_then_busy_by_its_readiness_alone() -> None:
    assert pool_pod(pod("Running", ready=False, turned=0)).state == PodState.STARTING
    assert pool_pod(pod("Running", ready=True, turned=2)).state == PodState.WARM
    busy = pool_pod(pod("Running", ready=False, turned=9))
    assert busy.state == PodState.BUSY
    assert busy.since == BORN + 9


def test_an_announced_claim_counts_before_the_kubelet_shows_it() -> None:
    claimed = pool_pod(pod("Running", ready=True, turned=2), claimed_at=BORN + 5.5)
    assert claimed.state == PodState.BUSY
    assert claimed.since == BORN + 5.5


def test_an_announced_end_counts_before_the_kubelet_shows_it() -> None:
    found = pool_pod(pod("Running", ready=False, turned=9), claimed_at=BORN + 8, finished_at=BORN + 11)
    assert (found.state, found.since, found.ended) == (PodState.FINISHED, BORN + 11, False)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_is_finished(phase: str) -> None:
    found = pool_pod(pod(phase, state="terminated"))
    assert (found.state, found.ended) == (PodState.FINISHED, True)


def test_a_pod_that_failed_before_it_was_ever_ready_failed_to_start() -> None:
    assert pool_pod(pod("Failed", turned=0, state="terminated")).failed_to_start
    refused = pod("Failed", turned=0, started=None, reason="OutOfcpu", message="Node has too little cpu")
    assert pool_pod(refused).failed_to_start
    assert pool_pod(refused).ending == "Node has too little cpu"
    assert not pool_pod(pod("Failed", turned=9, state="terminated")).failed_to_start
    assert not pool_pod(pod("Failed", turned=0, state="terminated"), claimed_at=BORN + 1).failed_to_start
    assert not pool_pod(pod("Succeeded", turned=0, state="terminated")).failed_to_start


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("ImagePullBackOff", Reason.IMAGE_PULL_FAILED),
        ("ErrImageNeverPull", Reason.IMAGE_PULL_FAILED),
        ("CreateContainerConfigError", Reason.CONTAINER_CONFIG_ERROR),
    ],
)
def test_what_the_kubelet_says_becomes_the_problem(waiting: str, reason: Reason) -> None:
    stuck = pod("Pending", started=None)
    stuck["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": waiting, "message": "because " + "x" * 500}}}]
    problem = pool_pod(stuck).problem
    assert problem is not None
    assert problem.reason == reason
    assert problem.message.startswith("because")
    assert len(problem.message) <= 300


def test_a_creating_container_is_no_problem() -> None:
    starting = pod("Pending", started=None)
    starting["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]
    assert pool_pod(starting).problem is None


def test_what_the_scheduler_says_becomes_the_problem() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    problem = pool_pod(pod("Pending", started=None, conditions=[scheduled])).problem
    assert problem is not None
    assert (problem.reason, problem.message) == (Reason.UNSCHEDULABLE, "0/1 nodes are available")


def test_a_deleted_pod_is_known_as_going_and_keeps_its_template_hash() -> None:
    going = pod("Running", ready=True, turned=2)
    going["metadata"]["deletionTimestamp"] = rfc3339(BORN + 3)
    assert pool_pod(going).deleting
    assert pool_pod(going).template_hash == "h"
