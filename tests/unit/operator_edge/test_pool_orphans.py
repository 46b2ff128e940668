"""Pods that lost their MCPOptimizer are removed, and nothing else is."""

from tests.unit.operator_edge.pool_cluster import Cluster, pool

from mcp_operator.kinds import MCP_OPTIMIZER, Manifest
from mcp_operator.pool_orphans import GRACE_SECONDS
from mcp_operator.resource import Optimizer, optimizer


def successor() -> Optimizer:
    metadata = {"name": "team", "namespace": "apps", "uid": "successor"}
    return optimizer({"kind": MCP_OPTIMIZER.kind, "metadata": metadata, "spec": {"sandbox": {"pool": {"min": 2, "max": 4}}}})


async def left() -> Cluster:
    """The Pods of a pool whose owner was deleted with `--cascade=orphan`."""
    cluster, opt = Cluster(), pool(2, 4)
    await cluster.look(opt)
    cluster.all_warm()
    for name, pod in cluster.pods.items():
        metadata = {field: value for field, value in pod["metadata"].items() if field != "ownerReferences"}
        cluster.pods[name] = cluster.stamped({**pod, "metadata": metadata})
    cluster.sync()
    cluster.runner.forget(opt.key)
    return cluster


async def test_what_an_optimizer_left_is_removed_after_a_minute() -> None:
    cluster = await left()
    key = pool(2, 4).key
    assert await cluster.runner.sweep(key) == GRACE_SECONDS
    cluster.now += 20
    assert await cluster.runner.sweep(key) == GRACE_SECONDS - 20
    assert cluster.deleted == []
    cluster.now += 40
    await cluster.runner.sweep(key)
    cluster.sync()
    assert (len(cluster.deleted), cluster.pods, await cluster.runner.sweep(key)) == (2, {}, None)
    assert cluster.metrics.registry.get_sample_value("mcpop_sandboxes_removed_total", {"cause": "orphaned"}) == 2


async def test_a_job_in_a_pod_without_an_owner_ends_first() -> None:
    cluster = await left()
    key, busy = pool(2, 4).key, next(iter(cluster.pods))
    cluster.now += 5
    condition = {**cluster.pods[busy]["status"]["conditions"][0], "status": "False"}
    cluster.pods[busy] = cluster.stamped({**cluster.pods[busy], "status": {**cluster.pods[busy]["status"], "conditions": [condition]}})
    cluster.sync()
    await cluster.runner.sweep(key)
    cluster.now += GRACE_SECONDS
    await cluster.runner.sweep(key)
    assert list(cluster.pods) == [busy]
    cluster.becomes(busy, "Succeeded")
    cluster.sync()
    await cluster.runner.sweep(key)
    cluster.now += GRACE_SECONDS
    await cluster.runner.sweep(key)
    assert cluster.pods == {}


async def test_an_optimizer_that_the_cache_has_not_seen_keeps_its_pods() -> None:
    cluster, opt = Cluster(), pool(2, 4)
    await cluster.look(opt)
    cluster.all_warm()
    cluster.owner = {"metadata": {"uid": opt.owner.uid}}
    await cluster.runner.sweep(opt.key)
    cluster.now += GRACE_SECONDS
    await cluster.runner.sweep(opt.key)
    assert cluster.deleted == []


async def test_pods_of_an_earlier_optimizer_of_that_name_go_and_those_of_the_new_one_stay() -> None:
    cluster = await left()
    old = set(cluster.pods)
    cluster.owner = {"metadata": {"uid": "successor"}}
    report = await cluster.look(successor())
    assert (report.requeue_after or 0) <= GRACE_SECONDS
    cluster.all_warm()
    cluster.now += GRACE_SECONDS
    await cluster.look(successor())
    assert set(cluster.deleted) == old
    assert len(cluster.pods) == 2


async def test_a_pod_that_only_carries_our_labels_is_not_touched() -> None:
    cluster = await left()
    name, found = next(iter(cluster.pods.items()))
    stranger: Manifest = {**found, "metadata": {**found["metadata"], "name": "somebodys", "uid": "uid-somebodys"}}
    del cluster.pods[name]
    cluster.pods["somebodys"] = cluster.stamped(stranger)
    cluster.sync()
    await cluster.runner.sweep(pool(2, 4).key)
    cluster.now += GRACE_SECONDS
    await cluster.runner.sweep(pool(2, 4).key)
    assert list(cluster.pods) == ["somebodys"]
