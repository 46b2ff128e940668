"""The pool carried out against an API server in memory that can refuse, fail, and forget to tell the cache."""

from typing import Any

import pytest
from tests.unit.operator_edge.pool_cluster import Cluster, pool, resource

from mcp_operator.errors import TransientError
from mcp_operator.kinds import MCP_OPTIMIZER, Key
from mcp_operator.pool import ENDING_SECONDS
from mcp_operator.pool_memory import CALM_SECONDS
from mcp_operator.resource import optimizer
from mcp_optimizer_api.stats import SandboxEvent
from mcp_optimizer_api.status import Reason


async def test_the_pool_is_filled_once_and_then_left_alone() -> None:
    cluster, opt = Cluster(), pool(5, 10)
    report = await cluster.look(opt)
    assert (cluster.created, report.counts.starting) == (5, 5)
    cluster.all_warm()
    for _ in range(3):
        report = await cluster.look(opt)
    assert (cluster.created, cluster.deleted) == (5, [])
    assert (report.verdict.ready, report.counts.warm) == (True, 5)


@pytest.mark.parametrize("kubelet", ["speaks", "is silent"])
async def test_an_announced_claim_is_refilled_and_an_announced_end_is_cleaned_up_when_the_pod_has_ended(kubelet: str) -> None:
    cluster, opt = Cluster(), pool(2, 4)
    await cluster.look(opt)
    cluster.all_warm()
    name = next(iter(cluster.pods))
    claimed = SandboxEvent(type="claimed", pod=name, uid=f"uid-{name}")
    assert cluster.runner.announce(opt.key, claimed) == CALM_SECONDS, "each job of a burst would pay for a look at the pool"
    report = await cluster.look(opt)
    assert (cluster.created, report.counts.busy, report.requeue_after) == (2, 1, pytest.approx(CALM_SECONDS))
    report = await cluster.look_in_time(opt)
    assert (cluster.created, report.counts.busy, report.counts.warm, report.counts.starting) == (3, 1, 1, 1)
    cluster.runner.announce(opt.key, SandboxEvent(type="finished", pod=name, uid=f"uid-{name}"))
    report = await cluster.look(opt)
    assert (cluster.deleted, report.counts.busy, report.requeue_after) == ([], 0, ENDING_SECONDS)
    if kubelet == "speaks":
        cluster.becomes(name, "Succeeded")
    else:
        cluster.now += ENDING_SECONDS
    await cluster.look(opt)
    await cluster.look(opt)
    assert cluster.deleted == [name]
    assert cluster.created == 3


async def test_an_announcement_about_a_foreign_pod_is_ignored() -> None:
    cluster, opt = Cluster(), pool(2, 4)
    await cluster.look(opt)
    assert cluster.runner.announce(opt.key, SandboxEvent(type="finished", pod="other", uid="uid-other")) is None
    stranger = Key(MCP_OPTIMIZER.kind, "apps", "unknown")
    assert cluster.runner.announce(stranger, SandboxEvent(type="finished", pod="x", uid="x")) is None
    await cluster.look(opt)
    assert cluster.deleted == []


async def test_a_burst_that_drains_the_pool_does_not_turn_the_condition_and_a_pool_that_stays_empty_does() -> None:
    cluster, opt = Cluster(), pool(2, 4)
    assert not (await cluster.look(opt)).verdict.ready
    cluster.all_warm()
    settled = (await cluster.look(opt)).verdict
    for name in list(cluster.pods):
        cluster.runner.announce(opt.key, SandboxEvent(type="finished", pod=name, uid=f"uid-{name}"))
        cluster.becomes(name, "Succeeded")
    report = await cluster.look_in_time(opt)
    cluster.sync()
    assert (report.counts.warm, report.verdict) == (0, settled)
    assert report.requeue_after is not None and report.requeue_after <= 32
    cluster.now += report.requeue_after
    assert not (await cluster.look(opt)).verdict.ready


async def test_two_api_writes_per_job() -> None:
    cluster, opt = Cluster(), pool(2, 20)
    await cluster.look(opt)
    cluster.all_warm()
    for number in range(10):
        cluster.now += 0.5
        name = sorted(cluster.pods)[number % 2]
        for kind in ("claimed", "finished"):
            cluster.runner.announce(opt.key, SandboxEvent.model_validate({"type": kind, "pod": name, "uid": f"uid-{name}"}))
            await cluster.look_in_time(opt)
        cluster.becomes(name, "Succeeded")
        await cluster.look(opt)
        cluster.sync()
        cluster.all_warm()
        await cluster.look(opt)
    # Ten jobs in five seconds are a rate to be ready for: the pool has grown by what the target says, and not by one Pod more.
    assert (cluster.created, len(cluster.deleted)) == (10 + (await cluster.look(opt)).counts.target, 10)


async def test_a_quota_costs_one_batch_of_refusals_then_one_per_try_and_the_pool_recovers_by_itself() -> None:
    cluster, opt = Cluster(quota=3), pool(10, 20)
    report = await cluster.look(opt)
    assert cluster.created == 3
    assert cluster.refused == 4  # the third batch of 1, 2, 4
    assert (report.verdict.ready, report.verdict.reason) == (False, Reason.QUOTA_EXCEEDED)
    assert report.requeue_after is not None and report.requeue_after <= 2
    refused = cluster.refused
    await cluster.look(opt)
    assert cluster.refused == refused
    cluster.all_warm()
    cluster.now += 2
    assert (await cluster.look(opt)).verdict.reason == Reason.QUOTA_EXCEEDED
    assert cluster.refused == refused + 1
    cluster.quota = 100
    for _ in range(5):
        cluster.now += 4
        report = await cluster.look(opt)
        cluster.all_warm()
    assert len(cluster.pods) == 10
    assert report.verdict.reason == Reason.POOL_AT_TARGET


async def test_an_image_that_crashes_does_not_cause_a_storm() -> None:
    cluster, opt = Cluster(), pool(5, 10)
    for _ in range(600):
        cluster.now += 1
        for name in cluster.pods:
            cluster.becomes(name, "Failed")
        report = await cluster.look(opt)
        cluster.sync()
    assert cluster.created <= 5 + 9
    assert (report.verdict.ready, report.verdict.reason) == (False, Reason.CRASH_LOOP)
    assert "exit code 1" in report.verdict.message
    changed = resource(sandbox={"image": "fixed:2", "pool": {"min": 5, "max": 10}})
    await cluster.look(changed)
    cluster.all_warm()
    assert (await cluster.look(changed)).counts.warm == 5


async def test_a_pod_that_gets_ready_after_a_crash_ends_the_hold() -> None:
    cluster, opt = Cluster(), pool(5, 10)
    await cluster.look(opt)
    for name in cluster.pods:
        cluster.becomes(name, "Failed")
    await cluster.look(opt)
    cluster.sync()
    for _ in range(3):
        cluster.now += 2
        await cluster.look(opt)
        cluster.all_warm()
    assert len(cluster.pods) == 5


async def test_writes_with_an_unknown_outcome_are_looked_up_and_never_repeated_blindly() -> None:
    cluster, opt = Cluster(lose_answers=True), pool(3, 3)
    for _ in range(6):
        with pytest.raises(TransientError):
            await cluster.look(opt)
        if len(cluster.pods) == 3:
            break
    report = await cluster.look(opt)
    assert (len(cluster.pods), cluster.created, report.counts.starting) == (3, 3, 3)
    assert cluster.lists >= 3


async def test_an_api_server_that_is_down_is_waited_for() -> None:
    cluster, opt = Cluster(down=True), pool(3, 3)
    for _ in range(3):
        with pytest.raises(TransientError):
            await cluster.look(opt)
    cluster.down = False
    await cluster.look(opt)
    assert len(cluster.pods) == 3


async def test_a_cache_that_never_shows_a_deletion_is_refreshed_instead_of_trusted() -> None:
    cluster, opt = Cluster(), pool(2, 2)
    await cluster.look(opt)
    cluster.all_warm()
    name = next(iter(cluster.pods))
    cluster.becomes(name, "Succeeded")
    await cluster.look(opt)
    assert cluster.deleted == [name]
    for _ in range(10):
        await cluster.look(opt)
    assert (cluster.deleted, cluster.lists, cluster.created) == ([name], 0, 3)
    cluster.now += 31
    await cluster.look(opt)
    assert cluster.lists == 1
    assert (len(cluster.pods), cluster.created) == (2, 3)


async def test_pods_of_an_earlier_optimizer_of_that_name_are_not_ours() -> None:
    cluster, opt = Cluster(), pool(1, 2)
    await cluster.look(opt)
    successor = optimizer(
        {
            "kind": MCP_OPTIMIZER.kind,
            "metadata": {"name": "team", "namespace": "apps", "uid": "successor"},
            "spec": {"sandbox": {"pool": {"min": 1, "max": 2}}},
        }
    )
    cluster.runner.forget(opt.key)
    report = await cluster.look(successor)
    assert (cluster.created, report.counts.starting, cluster.deleted) == (2, 1, [])


@pytest.mark.parametrize(
    "spec", [{"sandbox": {"pool": {"min": 2, "max": 0}}}, {"mode": "mcp_only", "sandbox": {"pool": {"min": 2, "max": 4}}}]
)
async def test_a_pool_nobody_can_use_is_emptied_and_says_why(spec: dict[str, Any]) -> None:
    cluster = Cluster()
    await cluster.look(pool(2, 4))
    cluster.all_warm()
    report = await cluster.look(resource(**spec))
    assert (len(cluster.pods), report.counts.target) == (0, 0)
    assert (report.verdict.ready, report.verdict.reason) == (False, Reason.SANDBOX_DISABLED)
    assert "spec." in report.verdict.message


async def test_a_paused_pool_is_only_counted() -> None:
    cluster = Cluster()
    await cluster.look(pool(2, 4))
    cluster.all_warm()
    cluster.becomes(next(iter(cluster.pods)), "Succeeded")
    report = await cluster.look(pool(5, 9, paused=True))
    assert (cluster.created, cluster.deleted, report.counts.warm) == (2, [], 1)


async def test_a_creation_that_is_answered_after_a_refusal_does_not_end_the_hold() -> None:
    cluster, opt = Cluster(quota=2), pool(5, 8)
    report = await cluster.look(opt)
    assert (cluster.created, cluster.refused, report.verdict.reason) == (2, 1, Reason.QUOTA_EXCEEDED)
    await cluster.look(opt)
    assert cluster.refused == 1
