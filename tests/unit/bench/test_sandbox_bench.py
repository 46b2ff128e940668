"""What the sandbox benchmark computes from what it saw."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from bench import sandbox_cluster
from bench.figures import line, percentile
from bench.job_client import outcome
from bench.pool_watch import PoolWatch


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (1, 1), (75, 3)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value


def test_no_measurement_is_no_number() -> None:
    assert math.isnan(percentile([], 50))


def test_the_line_can_be_read_by_a_script() -> None:
    assert line("sandbox", warm_p50_ms=1.2345, writes=0, unknown=math.nan) == "sandbox warm_p50_ms=1.23 writes=0 unknown=nan"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('{"result": {"content": [{"type": "text", "text": "2"}]}}', {"ok": True, "text": "2"}),
        ('event: message\ndata: {"result": {"content": [], "isError": true}}\n\n', {"ok": False, "text": ""}),
        ('{"error": {"code": 1}}', {"ok": False, "text": '{"code": 1}'}),
    ],
)
def test_a_reply_tells_whether_the_job_succeeded(reply: str, expected: dict[str, Any]) -> None:
    assert outcome(reply) == expected


def pod(name: str, ready: str, **metadata: Any) -> dict[str, Any]:
    """A Pod."""
    return {"metadata": {"name": name, **metadata}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_a_replacement_counts_from_its_first_readiness() -> None:
    watch = PoolWatch()
    watch.take_in({"type": "ADDED", "object": pod("a", "True")})
    known = watch.known()
    watch.take_in({"type": "ADDED", "object": pod("b", "False")})
    assert watch.known() == known == {"a"}
    watch.take_in({"type": "MODIFIED", "object": pod("b", "True")})
    first = watch.wait_for_new(known)
    watch.take_in({"type": "MODIFIED", "object": pod("b", "True", deletionTimestamp="now")})
    assert watch.wait_for_new(known) == first
    watch.wait_for_warm(1)


def test_writes_are_those_of_the_servers_account_and_those_to_its_pods(tmp_path: Path) -> None:
    def event(user: str, verb: str = "create", resource: str = "pods", namespace: str = "ns") -> str:
        return json.dumps({"verb": verb, "user": {"username": user}, "objectRef": {"resource": resource, "namespace": namespace}}) + "\n"

    server = "system:serviceaccount:ns:x-optimizer"
    log = tmp_path / "audit.log"
    log.write_text(event(server))
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write(event(server, resource="events") + event(server, verb="get") + event("operator") + event("kubelet", namespace="other"))
    target = sandbox_cluster.Target("ns", "x", "", log, None)
    assert sandbox_cluster._writes(target, offset) == (1, 1)
    assert all(math.isnan(number) for number in sandbox_cluster._writes(sandbox_cluster.Target("ns", "x", "", tmp_path / "none", None), 0))
