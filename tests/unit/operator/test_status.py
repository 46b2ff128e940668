"""Status: from what is observed to what is said, case by case."""

import copy
from typing import Any

import pytest
from tests.unit.operator.objects import container, pod, server

from mcp_operator.kinds import Manifest
from mcp_operator.resource import server as parse
from mcp_operator.status.finding import Finding, conditions, said
from mcp_operator.status.pods import pod_problem, relevant
from mcp_operator.status.summary import NEEDS_A_HUMAN, summary
from mcp_operator.status.urgency import Urgency, urgency
from mcp_operator.status.workload import Workload, availability, scaling, standing
from mcp_optimizer_api.optimizer import FederatedServer, MCPOptimizerStatus, Metrics, SandboxCounts
from mcp_optimizer_api.pods import Autoscaling
from mcp_optimizer_api.status import Condition, ConditionType, Reason

FINDING = Finding(True, Reason.READY, "fine")


def condition(
    kind: str = "Ready", status: str = "True", reason: str = "Ready", message: str = "fine", when: str = "2026-01-01T00:00:00Z"
) -> Condition:
    return Condition.model_validate({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": when})


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    old = [condition(message="before")]
    (kept,) = conditions({ConditionType.READY: FINDING}, old, generation=2, now=1_800_000_000.0)
    assert (kept.last_transition_time, kept.message, kept.observed_generation) == ("2026-01-01T00:00:00Z", "fine", 2)
    (moved,) = conditions({ConditionType.READY: Finding(False, Reason.CRASH_LOOP, "no")}, old, generation=2, now=1_800_000_000.0)
    assert moved.last_transition_time == "2027-01-15T08:00:00Z"


def test_a_message_is_bounded_and_unknown_is_spelt_out() -> None:
    (found,) = conditions({ConditionType.READY: Finding(None, Reason.PROGRESSING, "x" * 5000)}, [], generation=1, now=0)
    assert found.status == "Unknown" and len(found.message) == 1024


def test_what_was_said_is_remembered_unless_the_reason_is_unknown_to_this_version() -> None:
    assert said([condition()], ConditionType.READY) == FINDING
    assert said([condition(reason="FromTheFuture")], ConditionType.READY) is None
    assert said([], ConditionType.READY) is None


PROBLEMS: list[tuple[Manifest, Reason | None, str]] = [
    (container(waiting={"reason": "ErrImagePull", "message": "not found"}), Reason.IMAGE_PULL_FAILED, "not found"),
    (container(waiting={"reason": "InvalidImageName", "message": "bad"}), Reason.IMAGE_PULL_FAILED, "imagePullSecrets"),
    (
        container(waiting={"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}),
        Reason.SECRET_NOT_FOUND,
        "Secret a does not exist",
    ),
    (
        container(waiting={"reason": "CreateContainerConfigError", "message": 'configmap "c" not found'}),
        Reason.SECRET_NOT_FOUND,
        "ConfigMap c",
    ),
    (
        container(waiting={"reason": "CreateContainerConfigError", "message": "couldn't find key k in Secret ns/s"}),
        Reason.SECRET_NOT_FOUND,
        "Secret ns/s has no key k",
    ),
    (
        container(waiting={"reason": "CreateContainerConfigError", "message": "will run as root"}),
        Reason.CONTAINER_CONFIG_ERROR,
        "run as root",
    ),
    (container(waiting={"reason": "RunContainerError", "message": "no such file"}), Reason.CONTAINER_CONFIG_ERROR, "no such file"),
    (container(waiting={"reason": "CrashLoopBackOff"}, last={"terminated": {"exitCode": 3}}), Reason.CRASH_LOOP, "exit code 3"),
    (container(restarts=2, running={}, last={"terminated": {"exitCode": 1}}), Reason.CRASH_LOOP, "exit code 1"),
    (container(restarts=5, terminated={"exitCode": 137, "reason": "OOMKilled"}), Reason.CRASH_LOOP, "memory limit"),
    (container(restarts=1, terminated={"exitCode": 1}), None, ""),
    (container(restarts=9, running={}, ready=True), None, ""),
    (container(waiting={"reason": "ContainerCreating"}), None, ""),
]


@pytest.mark.parametrize(("status", "reason", "text"), PROBLEMS)
def test_a_pods_trouble_is_recognised(status: Manifest, reason: Reason | None, text: str) -> None:
    found = pod_problem([pod(containerStatuses=[status])])
    assert (found.reason if found else None) == reason
    assert text in (found.message if found else "")


def test_the_words_stay_the_same_while_the_cause_does() -> None:
    cause = "failed to resolve: not found"
    first = pod_problem([pod(containerStatuses=[container(waiting={"reason": "ErrImagePull", "message": cause})])])
    backing_off = f'Back-off pulling image "example/server:1": ErrImagePull: {cause}'
    second = pod_problem([pod(containerStatuses=[container(waiting={"reason": "ImagePullBackOff", "message": backing_off})])])
    assert first == second


def test_an_unschedulable_pod_is_recognised_a_ready_or_leaving_one_ignored() -> None:
    waiting = pod()
    waiting["status"]["conditions"].append({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"})
    assert pod_problem([waiting]).reason is Reason.UNSCHEDULABLE  # type: ignore[union-attr]
    leaving = copy.deepcopy(waiting)
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert pod_problem([leaving, pod(ready=True)]) is None


def test_the_newest_pods_trouble_is_told() -> None:
    old = pod("old", containerStatuses=[container(image="a:1", waiting={"reason": "ErrImagePull"})])
    new = pod("new", containerStatuses=[container(image="a:2", waiting={"reason": "ErrImagePull"})])
    old["metadata"]["creationTimestamp"], new["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    for pods in ([old, new], [new, old]):
        assert "a:2" in pod_problem(pods).message  # type: ignore[union-attr]


def test_a_probe_time_or_a_heartbeat_of_a_pod_is_not_relevant_a_state_is() -> None:
    one, other = pod(), pod()
    other["status"]["conditions"][0]["lastProbeTime"] = "later"
    other["metadata"]["resourceVersion"] = "2"
    assert relevant(one) == relevant(other)
    assert relevant(one) != relevant(pod(ready=True))
    assert relevant(one) != relevant(pod(phase="Running"))


def deployment(*, wanted: int = 2, generation: int = 1, conditions: list[Manifest] | None = None, **counts: int) -> Manifest:
    status = {"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": 0, **counts}
    return {
        "metadata": {"generation": generation, "name": "s-mcp"},
        "spec": {"replicas": wanted},
        "status": {**status, "conditions": conditions or []},
    }


def workload(deployment: Manifest | None, *, replicas: int = 2, low: int = 0, pods: list[Manifest] | None = None, **more: Any) -> Workload:
    autoscaling = Autoscaling(enabled=low > 0, min_replicas=max(low, 1))
    return Workload(replicas=replicas, autoscaling=autoscaling, deployment=deployment, pods=pods or [], **more)


PULL = pod(containerStatuses=[container(waiting={"reason": "ErrImagePull"})])
LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


def refused(message: str) -> list[Manifest]:
    return [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]


STANDINGS: list[tuple[str, Workload, bool | None, Reason]] = [
    ("nothing there yet", workload(None), None, Reason.PROGRESSING),
    ("all ready", workload(deployment(readyReplicas=2)), True, Reason.READY),
    ("some ready", workload(deployment(readyReplicas=1)), False, Reason.REPLICAS_UNAVAILABLE),
    ("none ready", workload(deployment()), False, Reason.PROGRESSING),
    ("no progress", workload(deployment(conditions=[LATE])), False, Reason.REPLICAS_UNAVAILABLE),
    ("scaled to zero", workload(deployment(wanted=0), replicas=0), False, Reason.SCALED_TO_ZERO),
    ("spec not seen yet", workload(deployment(generation=2, readyReplicas=2)), True, Reason.ROLLING_OUT),
    ("rolling", workload(deployment(readyReplicas=2, updatedReplicas=1)), True, Reason.ROLLING_OUT),
    (
        "rolling into a missing image",
        workload(deployment(readyReplicas=2, updatedReplicas=1), pods=[PULL]),
        False,
        Reason.IMAGE_PULL_FAILED,
    ),
    ("image missing", workload(deployment(), pods=[PULL]), False, Reason.IMAGE_PULL_FAILED),
    ("trouble beyond what is asked for", workload(deployment(wanted=9, readyReplicas=5), low=5, pods=[PULL]), True, Reason.READY),
    ("below the autoscaler's minimum", workload(deployment(wanted=9, readyReplicas=4), low=5), False, Reason.REPLICAS_UNAVAILABLE),
    ("quota", workload(deployment(conditions=refused('pods "a-x7" is forbidden: exceeded quota: q'))), False, Reason.QUOTA_EXCEEDED),
    ("limit range", workload(deployment(conditions=refused("maximum cpu usage per Pod is 1"))), False, Reason.QUOTA_EXCEEDED),
    ("pod security", workload(deployment(conditions=refused('pods "a" is forbidden: violates PodSecurity'))), False, Reason.FORBIDDEN),
    (
        "children refused",
        workload(deployment(readyReplicas=2), failure=Finding(False, Reason.FORBIDDEN, "no")),
        False,
        Reason.FORBIDDEN,
    ),
]


@pytest.mark.parametrize(("case", "observed", "holds", "reason"), STANDINGS, ids=[case for case, *_ in STANDINGS])
def test_a_workload_stands_as_observed(case: str, observed: Workload, holds: bool | None, reason: Reason) -> None:
    found = standing(observed)
    assert (found.holds, found.reason) == (holds, reason)
    assert found.message


def test_the_random_name_of_a_refused_pod_is_not_repeated() -> None:
    one, other = (standing(workload(deployment(conditions=refused(f'pods "s-{name}" is forbidden: exceeded quota: q')))) for name in "ab")
    assert one == other


def test_available_means_that_at_least_one_pod_serves() -> None:
    assert availability(workload(deployment(readyReplicas=1))).holds is True
    assert availability(workload(deployment(), pods=[PULL])) == Finding(
        False, Reason.IMAGE_PULL_FAILED, standing(workload(deployment(), pods=[PULL])).message
    )
    assert availability(workload(deployment(wanted=0), replicas=0)).reason is Reason.SCALED_TO_ZERO


def test_scaling_repeats_what_the_autoscaler_says() -> None:
    def hpa(status: str) -> Manifest:
        return {"status": {"conditions": [{"type": "ScalingActive", "status": status, "reason": "R", "message": "why"}]}}

    assert scaling(workload(None)).reason is Reason.AUTOSCALING_DISABLED
    assert scaling(workload(None, low=1)).holds is None
    assert scaling(workload(None, low=1, hpa=hpa("True"))).holds is True
    assert scaling(workload(None, low=1, hpa=hpa("False"))) == Finding(False, Reason.SCALING_INACTIVE, "why")


@pytest.mark.parametrize(
    ("ready", "states"),
    [
        (Finding(True, Reason.READY, ""), ("True", "False", "False")),
        (Finding(True, Reason.ROLLING_OUT, ""), ("True", "True", "False")),
        (Finding(False, Reason.PROGRESSING, ""), ("False", "True", "False")),
        (Finding(None, Reason.PROGRESSING, ""), ("False", "True", "False")),
        (Finding(False, Reason.SCALED_TO_ZERO, ""), ("False", "False", "False")),
        (Finding(False, Reason.UNREACHABLE, ""), ("False", "True", "False")),
        *((Finding(False, reason, ""), ("False", "False", "True")) for reason in sorted(NEEDS_A_HUMAN)),
    ],
)
def test_ready_reconciling_and_stalled_fit_together_as_kstatus_reads_them(ready: Finding, states: tuple[str, str, str]) -> None:
    found = summary(ready)
    kinds = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
    assert tuple(found[kind].status for kind in kinds) == states


def status(*conditions: Condition, **fields: Any) -> MCPOptimizerStatus:
    return MCPOptimizerStatus(conditions=list(conditions), **fields)


def failing(message: str) -> FederatedServer:
    return FederatedServer(name="s", ready=False, tools=0, message=message)


READY, STALLED = condition(), condition("Stalled", "False", "Reconciled")
WAITING = condition(status="False", reason="Progressing")
METRICS = Metrics(window_seconds=60, calls_per_second=1, error_percent=0, tokens_baseline=1, tokens_served=1, token_method="m")


@pytest.mark.parametrize(
    ("case", "old", "new", "expected"),
    [
        ("nothing", status(READY, STALLED), status(READY, STALLED), Urgency.NONE),
        ("a flip", status(READY, STALLED), status(condition(status="False"), STALLED), Urgency.AT_ONCE),
        ("another reason for Ready", status(READY), status(condition(reason="RollingOut")), Urgency.AT_ONCE),
        ("a count", status(READY, replicas=1), status(READY, replicas=2), Urgency.SETTLED),
        ("a generation", status(READY, observed_generation=1), status(READY, observed_generation=2), Urgency.SETTLED),
        ("another reason elsewhere", status(READY, STALLED), status(READY, condition("Stalled", "False", "Ready")), Urgency.SETTLED),
        ("words", status(READY), status(condition(message="other")), Urgency.EVENTUALLY),
        ("an upstream's words", status(READY, servers=[failing("a")]), status(READY, servers=[failing("b")]), Urgency.EVENTUALLY),
        ("metrics", status(READY), status(READY, metrics=METRICS), Urgency.EVENTUALLY),
        ("pool counts", status(READY), status(READY, sandboxes=SandboxCounts(warm=1)), Urgency.EVENTUALLY),
        ("a foreign condition", status(READY, condition("Theirs")), status(READY), Urgency.NONE),
        ("a new condition", status(READY), status(READY, STALLED), Urgency.AT_ONCE),
        ("born without Pods", status(), status(WAITING, STALLED, selector="a=b"), Urgency.BORN),
        ("born with Pods", status(), status(WAITING, STALLED, selector="a=b", replicas=1), Urgency.SETTLED),
        ("born stalled", status(), status(condition(status="False", reason="QuotaExceeded"), STALLED), Urgency.AT_ONCE),
        ("born ready", status(), status(READY, STALLED), Urgency.AT_ONCE),
    ],
)
def test_how_soon_a_change_is_written(case: str, old: MCPOptimizerStatus, new: MCPOptimizerStatus, expected: Urgency) -> None:
    assert urgency(old, new) is expected


def test_an_unreadable_status_is_as_good_as_none() -> None:
    obj = server()
    obj["status"] = {"conditions": "what?"}
    assert parse(obj).status.conditions == []
