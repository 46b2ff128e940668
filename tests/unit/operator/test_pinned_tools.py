"""What `spec.tools` and `spec.batch` become in the server's config, and what the status says of pinned tools."""

from dataclasses import replace

from tests.unit.operator.objects import optimizer
from tests.unit.operator.test_desired import owner
from tests.unit.operator.test_patience import edited, running, served, settled
from tests.unit.operator.world import World

from mcp_operator.context import Collected
from mcp_operator.desired.configmap import render_config
from mcp_operator.kinds import Key
from mcp_optimizer_api.config import BatchConfig, ToolsConfig
from mcp_optimizer_api.optimizer import MCPOptimizerSpec


def test_tools_and_batch_reach_the_servers_config() -> None:
    tools = {"pinned": ["a.b"], "exclude": ["a.delete_*"], "maxResultBytes": 4096}
    spec = MCPOptimizerSpec.model_validate({"tools": tools, "batch": {"maxItems": 7}})
    config = render_config(owner("MCPOptimizer"), spec, [])
    assert config.tools == ToolsConfig(pinned=["a.b"], exclude=["a.delete_*"], max_result_bytes=4096)
    assert config.batch == BatchConfig(max_items=7)


def test_defaults_of_the_resource_are_those_of_the_config() -> None:
    config = render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), [])
    assert (config.tools, config.batch) == (ToolsConfig(), BatchConfig())


async def pinning(*pinned: str) -> World:
    world = await settled(optimizer())
    served(world, "o-optimizer")
    edited(world, "MCPOptimizer", "o", tools={"pinned": list(pinned)})
    await world.settle()
    return world


async def said(world: World, collected: Collected) -> tuple[str, str]:
    world.pods.said = collected
    world.queue.add(Key("MCPOptimizer", "ns", "o"))
    await world.settle()
    return world.condition("MCPOptimizer", "o", "ToolsPinned")


async def test_a_pinned_name_that_leads_nowhere_is_a_condition_and_nothing_else_suffers() -> None:
    world = await pinning("a.b", "a.typo")
    assert world.condition("MCPOptimizer", "o", "ToolsPinned") == ("Unknown", "Progressing")
    present = Collected(servers=[], metrics=None, configs=[running(world)])
    assert await said(world, replace(present, unknown_pins=frozenset({"a.typo"}))) == ("False", "PinnedToolUnknown")
    conditions = world.get("MCPOptimizer", "o")["status"]["conditions"]
    assert next(item["message"] for item in conditions if item["type"] == "ToolsPinned").startswith("No server offers a.typo now")
    assert world.condition("MCPOptimizer", "o", "Ready") == ("True", "Ready")
    assert await said(world, present) == ("True", "PinnedToolsListed")


async def test_a_pod_that_still_runs_an_earlier_config_has_no_say_about_pins() -> None:
    world = await pinning("a.b")
    assert await said(world, Collected(servers=[], metrics=None, configs=[running(world)])) == ("True", "PinnedToolsListed")
    stale = Collected(servers=[], metrics=None, configs=["0" * 64], unknown_pins=frozenset({"a.b"}))
    assert await said(world, stale) == ("True", "PinnedToolsListed")


async def test_where_nothing_is_pinned_there_is_no_condition_about_it() -> None:
    world = await settled(optimizer())
    assert "ToolsPinned" not in {item["type"] for item in world.get("MCPOptimizer", "o")["status"]["conditions"]}
