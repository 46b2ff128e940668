"""What reconciliation does for sandboxes: keys stay, and no trouble of one part hides the others."""

from typing import Any

from tests.unit.operator.objects import optimizer
from tests.unit.operator.world import World, settled

from mcp_operator.errors import TerminalError, TransientError
from mcp_operator.kinds import Key


async def test_pool_keys_survive_restarts_and_leave_with_their_optimizer() -> None:
    world = await settled(optimizer("a"), optimizer("b"))
    first = dict(world.get("Secret", "mcp-sandbox-keys")["data"])
    assert set(first) == {"a", "b"} and first["a"] != first["b"]
    world = World(world.api, world.clock)
    world.api.take(Key("MCPOptimizer", "ns", "b"))
    await world.settle()
    assert world.get("Secret", "mcp-sandbox-keys")["data"] == {"a": first["a"]}


async def test_a_secret_that_is_only_missing_from_the_cache_keeps_its_keys() -> None:
    world = await settled(optimizer("a"))
    before = dict(world.get("Secret", "mcp-sandbox-keys")["data"])
    late = World(world.api, world.clock)
    late.cache.remove(Key("Secret", "ns", "mcp-sandbox-keys"))
    await late.settle()
    assert world.get("Secret", "mcp-sandbox-keys")["data"] == before


async def test_a_foreign_secret_of_that_name_is_left_alone() -> None:
    world = World()
    world.api.add(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mcp-sandbox-keys", "namespace": "ns"}, "data": {"x": "eA=="}}
    )
    world.api.add(optimizer())
    await world.settle()
    assert world.get("Secret", "mcp-sandbox-keys")["data"] == {"x": "eA=="}
    assert world.condition("MCPOptimizer", "o", "Ready")[0] == "False"


async def test_a_refused_child_keeps_nobody_from_running_code_unless_it_is_the_isolation() -> None:
    for name, filled in (("o-optimizer", True), ("o-optimizer-sandbox", False)):
        world = World()
        world.api.fail = lambda verb, key, name=name: TerminalError("apply: 403 no") if key == Key("NetworkPolicy", "ns", name) else None  # type: ignore[misc]
        world.api.add(optimizer())
        await world.settle()
        assert bool(world.pools.seen) is filled
        assert world.condition("MCPOptimizer", "o", "Ready") == ("False", "Forbidden")


async def test_a_pool_in_trouble_does_not_silence_the_status() -> None:
    world = World()

    async def fail(optimizer: Any, key: bytes) -> Any:
        raise TransientError("create pods: 500")

    world.pools.reconcile = fail  # type: ignore[method-assign]
    world.api.add(optimizer())
    await world.settle()
    assert world.condition("MCPOptimizer", "o", "Ready") == ("False", "ApplyFailed")


async def test_an_optimizer_that_is_gone_is_asked_what_pods_it_left_and_one_on_its_way_out_is_not() -> None:
    world = World()
    world.api.add(optimizer())
    await world.settle()
    going = dict(world.get("MCPOptimizer", "o"))
    going["metadata"] = {**going["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    world.api.add(going)
    await world.settle()
    assert world.pools.swept == []
    world.api.take(Key("MCPOptimizer", "ns", "o"))
    world.dispatcher.lost(Key("MCPOptimizer", "ns", "o"))
    await world.settle()
    assert set(world.pools.swept) == {Key("MCPOptimizer", "ns", "o")}
