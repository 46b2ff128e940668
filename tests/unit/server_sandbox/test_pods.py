"""What makes a Pod claimable."""

from typing import Any

import pytest

from mcp_optimizer.sandbox.pods import parse

from .conftest import OWNER, manifest


def test_a_ready_pod_is_warm_and_says_where_it_listens() -> None:
    pod = parse(manifest("p", 1234))
    assert pod is not None
    assert (pod.name, pod.uid, pod.ip, pod.port, pod.owner_uid, pod.warm) == ("p", "uid-p", "127.0.0.1", 1234, OWNER, True)


@pytest.mark.parametrize("change", [{"ready": False}, {"deleting": True}, {"terminated": "OOMKilled"}, {"ip": ""}])
def test_a_pod_is_not_warm_when(change: dict[str, Any]) -> None:
    pod = parse(manifest("p", **change))
    assert pod is not None
    assert not pod.warm


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ({"reason": "Evicted", "phase": "Failed"}, "Evicted"),
        ({"phase": "Succeeded"}, "Succeeded"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}, "OOMKilled, exit code 137"),
        ({"phase": "Running"}, ""),
    ],
)
def test_the_end_of_a_pod_is_told_in_words(status: dict[str, Any], end: str) -> None:
    pod = parse({"metadata": {"name": "p", "uid": "u"}, "status": status})
    assert pod is not None
    assert pod.end == end


@pytest.mark.parametrize("strange", [{}, {"metadata": None}, {"metadata": {"name": 5, "uid": "u"}}])
def test_an_object_without_identity_is_no_pod(strange: dict[str, Any]) -> None:
    assert parse(strange) is None


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("junk", [None, [], "x", {"containers": "x", "conditions": 5, "containerStatuses": [None]}])
def test_odd_shapes_make_a_pod_that_is_not_warm(part: str, junk: object) -> None:
    pod = parse({"metadata": {"name": "p", "uid": "u"}, part: junk})
    assert pod is not None
    assert not pod.warm
