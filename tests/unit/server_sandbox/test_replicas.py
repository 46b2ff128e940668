"""Shards: replicas that see the same others agree on whose a Pod is, without asking anybody."""

from collections import Counter
from typing import Any

from mcp_optimizer.kube import Event
from mcp_optimizer.sandbox.pool import WarmPool
from mcp_optimizer.sandbox.replicas import Replicas
from mcp_optimizer_api.names import COMPONENT_LABEL

from .conftest import manifest

PODS = [f"pod-{number}" for number in range(600)]


def server(name: str, *, ready: bool = True, deleting: bool = False) -> dict[str, Any]:
    """A server Pod as the API server shows it."""
    found = manifest(name, ready=ready, deleting=deleting, ip="10.0.0.1")
    found["metadata"]["labels"] = {COMPONENT_LABEL: "server"}
    found["spec"]["containers"] = [{"ports": [{"name": "mcp", "containerPort": 8080}, {"name": "management", "containerPort": 18081}]}]
    return found


def seen_by(me: str, *names: str) -> Replicas:
    """What one replica knows."""
    replicas = Replicas(me)
    replicas.apply(Event("listed", tuple(server(name) for name in names)))
    return replicas


def test_every_pod_is_in_exactly_one_shard_and_shards_are_about_even() -> None:
    views = [seen_by(name, "a", "b", "c") for name in "abc"]
    shards = Counter(view.me for pod in PODS for view in views if view.mine(pod))
    assert shards.total() == len(PODS)
    assert all(130 < size < 270 for size in shards.values())


def test_a_replica_that_leaves_moves_only_its_own_pods() -> None:
    view = seen_by("a", "a", "b", "c")
    before = {pod for pod in PODS if view.mine(pod)}
    assert view.apply(Event("deleted", (server("c"),)))
    assert before < {pod for pod in PODS if view.mine(pod)}
    assert view.apply(Event("changed", (server("c"),)))
    assert before == {pod for pod in PODS if view.mine(pod)}


def test_only_replicas_that_serve_count_and_this_one_always_does() -> None:
    view = Replicas("a")
    assert view.mine("any")
    assert not view.apply(
        Event("listed", (server("a", ready=False), server("b", ready=False), server("c", deleting=True), manifest("pod")))
    )
    assert all(view.mine(pod) for pod in PODS)
    assert view.apply(Event("changed", (server("b"),)))
    assert not view.apply(Event("changed", (server("b"),)))
    assert not all(view.mine(pod) for pod in PODS)


def test_the_owner_of_a_thing_is_the_same_for_all() -> None:
    views = [seen_by(name, "a", "b", "c") for name in "abc"]
    for key in PODS[:50]:
        owners = {view.me if (owner := view.owner(key)) is None else owner.name for view in views}
        assert len(owners) == 1
    named = next(owner for key in PODS if (owner := views[0].owner(key)) is not None)
    assert (named.ip, named.port) == ("10.0.0.1", 18081)


async def test_a_replica_takes_its_own_shard_first_and_then_what_others_have() -> None:
    replicas = seen_by("a", "a", "b", "c")
    pool = WarmPool(lambda pod: True, mine=replicas.mine)
    pool.apply(Event("listed", (server("b"), *(manifest(name) for name in PODS))))
    own = sum(1 for name in PODS if replicas.mine(f"uid-{name}"))
    taken = [await pool.take(0) for _ in PODS]
    mine = [replicas.mine(pod.uid) for pod in taken if pod is not None]
    assert mine == [True] * own + [False] * (len(PODS) - own)
    assert await pool.take(0) is None


async def test_pods_change_shards_when_replicas_come_and_go() -> None:
    replicas = seen_by("a", "a", "b")
    pool = WarmPool(lambda pod: True, mine=replicas.mine)
    pool.apply(Event("listed", tuple(manifest(name) for name in PODS)))
    replicas.apply(Event("changed", (server("c"),)))
    pool.share_out()
    own = sum(1 for name in PODS if replicas.mine(f"uid-{name}"))
    taken = [await pool.take(0) for _ in range(own)]
    assert all(replicas.mine(pod.uid) for pod in taken if pod is not None)
    assert pool.warm == len(PODS) - own


async def test_a_claim_looks_at_few_pods_of_a_large_pool() -> None:
    looked = 0

    def eligible(pod: object) -> bool:
        nonlocal looked
        looked += 1
        return True

    pool = WarmPool(eligible)
    pool.apply(Event("listed", tuple(manifest(name) for name in PODS)))
    for _ in range(100):
        assert await pool.take(0) is not None
    assert looked == 100
