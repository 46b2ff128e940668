"""The sandbox pool against a real API server: Pod Security, quotas, garbage collection and the audit log are real, the kubelet is played."""

import json
import time
from pathlib import Path

import pytest

from mcp_operator import pool_memory
from mcp_operator.resource import optimizer
from mcp_optimizer_api.stats import SandboxEvent
from mcp_optimizer_api.status import Reason

from .pool_rig import Rig, is_ready

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).resolve().parents[3] / "docs/examples/sandbox-namespace.yaml"
RESTRICTED = json.dumps(
    {
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "c",
                    "image": "nobody",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        }
    }
)


async def test_a_pool_reaches_its_minimum_in_a_restricted_namespace_and_then_writes_nothing(rig: Rig) -> None:
    opt = rig.optimizer(4, 8)
    report = await rig.settled(opt)
    assert (report.counts.warm, len(await rig.pods())) == (4, 4)
    position = rig.plane.audit_position()
    for _ in range(3):
        await rig.sync()
        await rig.look(opt)
    restarted = Rig(rig.plane, rig.namespace, rig.client)
    await restarted.sync()
    assert (await restarted.look(opt)).counts.warm == 4
    assert rig.ours(position) == []


async def test_a_stale_cache_never_makes_the_pool_larger_than_its_maximum(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_memory, "CALM_SECONDS", 0.0)
    opt = rig.optimizer(3, 6)
    await rig.settled(opt)
    position, peak, jobs = rig.plane.audit_position(), 0, 0
    for number in range(40):
        warm = [pod for pod in await rig.pods() if is_ready(pod)]
        for pod in warm[:2]:
            jobs += 1
            event = {"pod": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            await rig.becomes(pod, "Running", ready=False)
            rig.runner.announce(opt.key, SandboxEvent.model_validate({"type": "claimed", **event}))
        await rig.look(opt)
        for pod in warm[:2]:
            await rig.becomes(pod, "Succeeded")
        await rig.look(opt)
        peak = max(peak, sum(pod["status"]["phase"] not in ("Succeeded", "Failed") for pod in await rig.pods()))
        if number % 4 == 3:
            await rig.all_ready()
            await rig.sync()
    report = await rig.settled(opt)
    assert jobs >= 20
    assert peak <= 6
    # So many jobs make the pool grow, to its maximum and not beyond.
    assert (report.counts.target, report.counts.warm, len(await rig.pods())) == (6, 6, 6)
    writes = rig.ours(position)
    assert (writes.count("create"), writes.count("delete")) == (jobs + 3, jobs)


async def test_a_finished_pod_is_replaced_with_two_writes(rig: Rig) -> None:
    opt = rig.optimizer(2, 4)
    await rig.settled(opt)
    position = rig.plane.audit_position()
    await rig.becomes((await rig.pods())[0], "Succeeded")
    report = await rig.settled(opt)
    assert (report.counts.warm, len(await rig.pods())) == (2, 2)
    assert sorted(rig.ours(position)) == ["create", "delete"]


async def test_a_quota_holds_the_pool_with_a_reason_and_lifting_it_lets_the_pool_recover(rig: Rig) -> None:
    def quota(pods: int) -> None:
        body = f'{{"apiVersion":"v1","kind":"ResourceQuota","metadata":{{"name":"few"}},"spec":{{"hard":{{"pods":"{pods}"}}}}}}'
        rig.plane.kubectl("apply", "-n", rig.namespace, "-f", "-", stdin=body)
        path = "jsonpath={.status.hard.pods}"
        rig.plane.eventually(lambda: rig.plane.kubectl("get", "resourcequota", "few", "-n", rig.namespace, "-o", path).stdout == str(pods))

    quota(2)
    opt = rig.optimizer(5, 8)
    rig.frozen = time.time()
    report = await rig.look(opt)
    assert len(await rig.pods()) == 2
    assert (report.verdict.reason, report.verdict.ready) == (Reason.QUOTA_EXCEEDED, False)
    assert "few" in report.verdict.message and "sandbox-" not in report.verdict.message
    assert report.requeue_after is not None
    position = rig.plane.audit_position()
    await rig.look(opt)
    assert rig.ours(position) == []
    quota(10)
    rig.frozen, rig.offset = None, 3.0  # the first hold takes two seconds
    report = await rig.settled(opt)
    assert (report.counts.warm, report.verdict.reason) == (5, Reason.POOL_AT_TARGET)


async def test_a_quota_that_somebody_else_uses_up_leaves_the_warm_pods_serving_until_it_is_freed(rig: Rig) -> None:
    quota = '{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"shared"},"spec":{"hard":{"pods":"3"}}}'
    rig.plane.kubectl("apply", "-n", rig.namespace, "-f", "-", stdin=quota)
    rig.plane.eventually(lambda: used(rig, "shared") == "0")
    rig.plane.kubectl("run", "neighbour", "-n", rig.namespace, "--image=nobody", f"--overrides={RESTRICTED}")
    opt = rig.optimizer(3, 6)
    report = await rig.look(opt)
    assert (report.verdict.reason, len(await rig.pods())) == (Reason.QUOTA_EXCEEDED, 2)
    assert "ResourceQuota shared has no room (pods: 3 of 3 used, 1 more needed)" in report.verdict.message
    await rig.all_ready()
    warm = {pod["metadata"]["uid"] for pod in await rig.pods()}
    for _ in range(3):
        rig.offset += 30
        await rig.sync()
        report = await rig.look(opt)
    assert (report.counts.warm, report.verdict.ready, report.verdict.reason) == (2, True, Reason.QUOTA_EXCEEDED)
    rig.plane.kubectl("delete", "pod", "neighbour", "-n", rig.namespace, "--grace-period=0", "--force")
    rig.plane.eventually(lambda: used(rig, "shared") == "2")
    rig.offset += 30
    report = await rig.settled(opt)
    assert (report.counts.warm, report.verdict.reason) == (3, Reason.POOL_AT_TARGET)
    assert warm < {pod["metadata"]["uid"] for pod in await rig.pods()}


async def test_a_missing_priority_class_is_named(rig: Rig) -> None:
    report = await rig.look(rig.optimizer(2, 4, priorityClassName="no-such-priority"))
    assert (report.verdict.reason, report.verdict.ready) == (Reason.INVALID_SPEC, False)
    assert "no-such-priority" in report.verdict.message and "spec.sandbox.priorityClassName" in report.verdict.message


async def test_the_example_of_a_namespace_for_sandboxes_holds_what_it_promises(rig: Rig) -> None:
    rig.plane.kubectl("apply", "-n", rig.namespace, "-f", str(EXAMPLE))
    rig.plane.eventually(lambda: used(rig, "sandboxes") == "0")
    rig.plane.kubectl("run", "other", "-n", rig.namespace, "--image=nobody", f"--overrides={RESTRICTED}")
    opt = optimizer(rig.plane.get(rig.namespace, "MCPOptimizer", "walled"))
    await rig.look(opt)
    pods = [pod for pod in await rig.pods() if pod["metadata"]["name"] != "other"]
    assert [(pod["spec"]["priority"], pod["spec"]["priorityClassName"]) for pod in pods] == [(-10, "mcp-sandbox")] * 2
    rig.plane.eventually(lambda: used(rig, "sandboxes") == "2")
    rig.plane.kubectl(
        "patch", "mcpoptimizer", "walled", "-n", rig.namespace, "--type", "merge", "-p", '{"spec":{"sandbox":{"pool":{"min":20}}}}'
    )
    full = optimizer(rig.plane.get(rig.namespace, "MCPOptimizer", "walled"))
    rig.offset += 10
    report = await rig.settled(full)
    assert (report.counts.warm, report.verdict.reason) == (20, Reason.POOL_AT_TARGET)


async def test_pods_that_were_orphaned_on_purpose_are_removed_after_a_minute(rig: Rig) -> None:
    opt = rig.optimizer(2, 4)
    await rig.settled(opt)
    rig.plane.kubectl("delete", "mcpoptimizer", "team", "-n", rig.namespace, "--cascade=orphan")
    await rig.sync()
    rig.runner.forget(opt.key)
    assert await rig.runner.sweep(opt.key) is not None
    assert len(await rig.pods()) == 2
    rig.offset += 60
    await rig.runner.sweep(opt.key)
    rig.plane.eventually(lambda: not rig.plane.kubectl("get", "pods", "-n", rig.namespace, "-o", "name").stdout)


async def test_a_restarted_operator_sees_pods_that_are_on_their_way_and_makes_none_twice(rig: Rig) -> None:
    opt = rig.optimizer(3, 6)
    await rig.look(opt)
    made = len(await rig.pods())
    second = Rig(rig.plane, rig.namespace, rig.client)
    await second.sync()
    await second.look(opt)
    assert (made, len(await rig.pods())) == (3, 3)


async def test_a_missing_runtime_class_is_named_and_no_pod_runs_without_it(rig: Rig) -> None:
    report = await rig.look(rig.optimizer(2, 4, runtimeClassName="no-such-class"))
    assert (report.verdict.reason, report.verdict.ready) == (Reason.RUNTIME_CLASS_NOT_FOUND, False)
    assert "no-such-class" in report.verdict.message
    assert await rig.pods() == []


async def test_a_changed_template_replaces_warm_pods_while_others_serve(rig: Rig) -> None:
    opt = rig.optimizer(3, 6)
    await rig.settled(opt)
    old = {pod["metadata"]["uid"] for pod in await rig.pods()}
    patched = rig.plane.kubectl(
        "patch", "mcpoptimizer", "team", "-n", rig.namespace, "--type", "merge", "-p", '{"spec":{"sandbox":{"diskLimit":"50Mi"}}}'
    )
    assert patched.returncode == 0
    changed = optimizer(rig.plane.get(rig.namespace, "MCPOptimizer", "team"))
    lowest = 3
    for _ in range(12):
        await rig.sync()
        await rig.look(changed)
        lowest = min(lowest, sum(is_ready(pod) for pod in await rig.pods()))
        await rig.all_ready()
    assert lowest == 3
    now = await rig.pods()
    assert len(now) == 3
    assert not old & {pod["metadata"]["uid"] for pod in now}


async def test_the_pods_go_with_their_optimizer(rig: Rig) -> None:
    await rig.settled(rig.optimizer(2, 4))
    rig.plane.kubectl("delete", "mcpoptimizer", "team", "-n", rig.namespace)
    rig.plane.eventually(lambda: not rig.plane.kubectl("get", "pods", "-n", rig.namespace, "-o", "name").stdout)


def used(rig: Rig, quota: str) -> str:
    """Pods that count against a ResourceQuota."""
    path = "jsonpath={.status.used.pods}"
    return rig.plane.kubectl("get", "resourcequota", quota, "-n", rig.namespace, "-o", path).stdout
