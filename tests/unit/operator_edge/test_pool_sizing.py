"""A pool that grows with its jobs, at a bounded rate, and gets rid of Pods that servers cannot reach."""

import pytest
from tests.unit.operator_edge.pool_cluster import Cluster, pool, resource

from mcp_operator.context import PoolReport
from mcp_operator.pool_demand import WINDOW_SECONDS
from mcp_operator.pool_memory import PoolMemory
from mcp_operator.pool_window import COUNTS_SECONDS, FIRST, StartWindow
from mcp_operator.resource import Optimizer
from mcp_optimizer_api.stats import SandboxEvent


async def test_a_burst_makes_the_pool_grow_at_once_and_shrink_by_age_alone() -> None:
    cluster, opt = Cluster(), pool(2, 20)
    await cluster.look(opt)
    cluster.all_warm()
    for name in list(cluster.pods):
        claim(cluster, opt, name)
    report = await cluster.look_in_time(opt)
    assert (report.counts.target, report.counts.busy, report.counts.starting) == (3, 2, 3)
    cluster.now += 3.75
    for name in list(cluster.pods):
        cluster.becomes(name, "Running", ready=True)
    cluster.now += 1
    report = await cluster.look(opt)
    assert (report.counts.refill_seconds, report.counts.burst, report.counts.peak_claims_per_second) == (5.0, 2, 0.2)
    report = await after_the_window(cluster, opt)
    assert (report.counts.target, report.counts.warm, cluster.deleted) == (2, 3, [])


async def after_the_window(cluster: Cluster, opt: Optimizer) -> PoolReport:
    """The jobs have ended, and their burst is forgotten."""
    for name in [name for name in cluster.pods if f"uid-{name}" in cluster.claimed]:
        cluster.becomes(name, "Succeeded")
    await cluster.look(opt)
    cluster.sync()
    gone = len(cluster.deleted)
    report = await cluster.look(opt)
    assert report.requeue_after is not None and report.requeue_after <= WINDOW_SECONDS
    cluster.now += WINDOW_SECONDS
    report = await cluster.look(opt)
    assert len(cluster.deleted) == gone
    cluster.deleted.clear()
    return report


async def test_a_restarted_operator_neither_deletes_the_surplus_nor_keeps_it_up() -> None:
    cluster, opt = Cluster(), pool(2, 20)
    await cluster.look(opt)
    cluster.all_warm()
    for name in list(cluster.pods):
        claim(cluster, opt, name)
    await cluster.look_in_time(opt)
    cluster.all_warm()
    await after_the_window(cluster, opt)
    cluster.restart()
    report = await cluster.look(opt)
    assert (report.counts.target, report.counts.warm, cluster.deleted) == (2, 3, [])
    claim(cluster, opt, next(iter(cluster.pods)))
    created = cluster.created
    assert (await cluster.look(opt)).counts.warm == 2
    assert cluster.created == created


async def test_lowered_bounds_remove_warm_pods_at_once() -> None:
    cluster = Cluster()
    await cluster.look(pool(6, 10))
    cluster.all_warm()
    report = await cluster.look(pool(2, 10))
    assert (len(cluster.pods), report.counts.warm) == (2, 2)
    cluster.sync()
    await cluster.look(pool(2, 10))
    assert len(cluster.deleted) == 4


async def test_a_large_pool_is_filled_at_the_rate_of_its_bucket() -> None:
    cluster = Cluster()
    opt = resource(sandbox={"pool": {"min": 30, "max": 60, "refillPerSecond": 10}})
    cluster.runner._pools[opt.key] = PoolMemory(window=StartWindow(size=60))
    report = await cluster.look(opt)
    assert (cluster.created, report.requeue_after) == (10, 0.2)
    assert (await cluster.look(opt)).requeue_after == pytest.approx(0.2)
    for _ in range(4):
        cluster.now += report.requeue_after or 0
        report = await cluster.look(opt)
    assert cluster.created == 18
    cluster.now += 60
    await cluster.look(opt)
    assert cluster.created == 28


async def test_as_many_pods_start_at_once_as_start_fast() -> None:
    cluster, opt = Cluster(), resource(sandbox={"pool": {"min": 60, "max": 90, "refillPerSecond": 200}})
    report = await cluster.look(opt)
    assert (cluster.created, report.requeue_after) == (FIRST, COUNTS_SECONDS)
    starting = []
    for seconds in (2, 2, 9, 9, 9):
        cluster.now += seconds
        cluster.all_warm()
        starting.append((await cluster.look(opt)).counts.starting)
    assert starting == [8, 16, 16, 8, 4], "Pods that start with few beside them say nothing; sixteen at once make fewer a second than eight"


async def test_pods_that_wait_for_an_image_hold_up_no_others() -> None:
    cluster, opt = Cluster(), pool(20, 30)
    report = await cluster.look(opt)
    assert (cluster.created, report.requeue_after) == (FIRST, COUNTS_SECONDS)
    cluster.now += report.requeue_after
    report = await cluster.look(opt)
    assert (cluster.created, report.counts.starting) == (2 * FIRST, 2 * FIRST)


async def test_a_pod_that_a_server_cannot_reach_is_replaced_and_told_of() -> None:
    cluster, opt = Cluster(), pool(3, 6)
    await cluster.look(opt)
    cluster.all_warm()
    victim = next(iter(cluster.pods))
    cluster.runner.announce(opt.key, SandboxEvent(type="unreachable", pod=victim, uid=f"uid-{victim}"))
    report = await cluster.look(opt)
    assert (cluster.deleted, cluster.created, report.counts.warm, report.counts.busy) == ([victim], 4, 2, 0)
    assert cluster.told == ["SandboxReplaced"]
    assert cluster.metrics.registry.get_sample_value("mcpop_sandboxes_removed_total", {"cause": "unreachable"}) == 1


async def test_a_server_that_cannot_reach_anything_costs_one_pod_in_ten_seconds() -> None:
    cluster, opt = Cluster(), pool(5, 10)
    await cluster.look(opt)
    warm = []
    for _ in range(60):
        cluster.all_warm()
        for name in cluster.pods:
            cluster.runner.announce(opt.key, SandboxEvent(type="unreachable", pod=name, uid=f"uid-{name}"))
        report = await cluster.look(opt)
        cluster.sync()
        warm.append(report.counts.warm)
        cluster.now += 1
    assert len(cluster.deleted) == 6
    assert min(warm) == 4


async def test_a_pod_that_somebody_reaches_after_all_is_left_alone() -> None:
    cluster, opt = Cluster(), pool(2, 4)
    await cluster.look(opt)
    cluster.all_warm()
    first, second = cluster.pods
    for kind, name in (("unreachable", first), ("claimed", first), ("unreachable", first)):
        cluster.runner.announce(opt.key, SandboxEvent.model_validate({"type": kind, "pod": name, "uid": f"uid-{name}"}))
    report = await cluster.look(opt)
    assert (cluster.deleted, report.counts.busy) == ([], 1)
    del second


def claim(cluster: Cluster, opt: Optimizer, name: str) -> None:
    """A server says that a job has this Pod."""
    cluster.claimed.add(f"uid-{name}")
    cluster.runner.announce(opt.key, SandboxEvent(type="claimed", pod=name, uid=f"uid-{name}"))
