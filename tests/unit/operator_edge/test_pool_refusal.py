"""What refusals of the API server mean. The texts are those of a real API server."""

import pytest

from mcp_operator.errors import TerminalError
from mcp_operator.pool_refusal import refusal
from mcp_optimizer_api.status import Reason

POST = "create /api/v1/namespaces/apps/pods: "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            '403 pods "t-sandbox-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3',
            Reason.QUOTA_EXCEEDED,
        ),
        ('403 pods "t-sandbox-x" is forbidden: no PriorityClass with name low was found', Reason.INVALID_SPEC),
        ('403 pods "t-sandbox-x" is forbidden: failed quota: q: must specify limits.cpu', Reason.QUOTA_EXCEEDED),
        (
            '403 pods "t-sandbox-x" is forbidden: maximum memory usage per Container is 64Mi, but limit is 512Mi',
            Reason.QUOTA_EXCEEDED,
        ),
        (
            '403 pods "t-sandbox-x" is forbidden: pod rejected: RuntimeClass "gvisor" not found',
            Reason.RUNTIME_CLASS_NOT_FOUND,
        ),
        ('403 pods "t-sandbox-x" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities', Reason.FORBIDDEN),
        ('422 Pod "t-sandbox-x" is invalid: spec.containers[0].image: Required value', Reason.INVALID_SPEC),
    ],
)
def test_a_refusal_has_a_reason_a_cause_and_an_advice(text: str, reason: Reason) -> None:
    problem = refusal(TerminalError(POST + text), "t-sandbox-x")
    assert problem.reason == reason
    assert "t-sandbox-x" not in problem.message
    assert len(problem.message.split(". ")) >= 2


def test_two_refused_pods_give_the_same_message() -> None:
    first, second = (refusal(TerminalError(f'{POST}403 pods "{name}" is forbidden: exceeded quota: q'), name) for name in ("a-1", "b-2"))
    assert first == second


def test_a_full_quota_is_named_with_what_is_used_and_what_there_is() -> None:
    lists = "requested: limits.cpu=500m,pods=1, used: limits.cpu=1500m,pods=3, limited: limits.cpu=1500m,pods=3"
    problem = refusal(TerminalError(f'{POST}403 pods "t-sandbox-x" is forbidden: exceeded quota: few, {lists}'), "t-sandbox-x")
    assert problem.message == (
        "The API server refuses sandbox Pods: ResourceQuota few has no room"
        " (limits.cpu: 1500m of 1500m used, 500m more needed, pods: 3 of 3 used, 1 more needed)."
        " Raise the ResourceQuota of the namespace, or lower spec.sandbox.pool or spec.sandbox.resources."
    )
