"""Children that cannot be written now: the others are looked after all the same."""

import copy

import pytest
from tests.unit.operator.objects import optimizer
from tests.unit.operator.world import settled

from mcp_operator.kinds import Key


@pytest.mark.parametrize("stuck", ["ServiceAccount/o-optimizer", "Service/o-optimizer", "ConfigMap/o-optimizer-config"])
async def test_a_child_stuck_in_its_deletion_holds_up_neither_the_others_nor_the_pool(stuck: str) -> None:
    world = await settled(optimizer())
    kind, name = stuck.split("/")
    going = copy.deepcopy(world.get(kind, name))
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z"
    world.api.add(going)
    world.api.take(Key("Deployment", "ns", "o-optimizer"))
    world.pools.seen.clear()
    await world.settle(seconds=5)
    assert Key("Deployment", "ns", "o-optimizer") in world.api.objects
    assert world.pools.seen
    await world.settle(seconds=60)
    assert world.condition("MCPOptimizer", "o", "Ready") == ("False", "ApplyFailed")
