"""What a status says only after a while, what it says while nobody may act, and what it stops saying when nobody serves."""

import copy
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.objects import optimizer, pod, server
from tests.unit.operator.world import World, settled

from mcp_operator.context import Collected
from mcp_operator.kinds import Key
from mcp_operator.verify import Outcome, Verification
from mcp_optimizer_api.names import CONFIG_KEY
from mcp_optimizer_api.optimizer import Metrics
from mcp_optimizer_api.status import Reason

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
METRICS = Metrics(
    window_seconds=60, calls_per_second=7, error_percent=5, p50_ms=3, p95_ms=9, tokens_baseline=1000, tokens_served=10, token_method="m"
)


def served(world: World, name: str, replicas: int = 1) -> None:
    """The Deployment's Pods are all ready, or all gone."""
    obj = copy.deepcopy(world.get("Deployment", name))
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    obj["status"] = {"observedGeneration": obj["metadata"]["generation"], **counts}
    world.api.add(obj)
    labels = obj["spec"]["template"]["metadata"]["labels"]
    if replicas:
        world.api.add(pod(f"{name}-1", ready=True, labels=labels, podIP="10.0.0.1"))
    else:
        world.api.take(Key("Pod", "ns", f"{name}-1"))


def edited(world: World, kind: str, name: str, **spec: Any) -> None:
    obj = copy.deepcopy(world.get(kind, name))
    obj["spec"] |= spec
    obj["metadata"]["generation"] += 1
    world.api.add(obj)


async def test_a_pod_without_a_node_is_waited_for_before_it_is_called_stalled() -> None:
    world = await settled(server())
    labels = world.get("Deployment", "s-mcp")["spec"]["template"]["metadata"]["labels"]
    waiting = pod("s-mcp-1", labels=labels)
    waiting["status"] = {"phase": "Pending", "conditions": [UNSCHEDULABLE]}
    world.api.add(waiting)
    await world.settle(seconds=60)
    assert world.condition("MCPServer", "s", "Ready") == ("False", "Unschedulable")
    assert world.condition("MCPServer", "s", "Reconciling") == ("True", "Unschedulable")
    assert world.condition("MCPServer", "s", "Stalled")[0] == "False"
    await world.settle(seconds=70)
    assert world.condition("MCPServer", "s", "Stalled") == ("True", "Unschedulable")
    assert world.condition("MCPServer", "s", "Reconciling")[0] == "False"
    world.api.writes.clear()
    await World(world.api, world.clock).settle()
    assert world.api.writes == []


@pytest.mark.parametrize(("outcome", "first"), [(Reason.NOT_MCP, "False"), (Reason.CRASH_LOOP, "True")])
async def test_only_what_may_pass_is_waited_for(outcome: Reason, first: str) -> None:
    world = await settled(server())
    served(world, "s-mcp")
    world.verdict = Verification(outcome=Outcome.FAILED, reason=outcome, message="no")
    await world.settle(seconds=5)
    assert world.condition("MCPServer", "s", "Stalled")[0] == first
    await world.settle(seconds=120)
    assert world.condition("MCPServer", "s", "Stalled") == ("True", outcome.value)


@pytest.mark.parametrize(("kind", "name", "change"), [("MCPServer", "s", {"image": "i:2"}), ("MCPOptimizer", "o", {"replicas": 3})])
async def test_a_generation_that_nobody_may_apply_is_not_called_observed(kind: str, name: str, change: dict[str, Any]) -> None:
    world = await settled(server(), optimizer())
    served(world, "s-mcp")
    served(world, "o-optimizer")
    world.verdict = Verification(outcome=Outcome.VERIFIED, reason=Reason.VERIFIED, message="3 tools", count=3, hash="h")
    await world.settle()
    assert world.condition(kind, name, "Ready") == ("True", "Ready")
    edited(world, kind, name, paused=True)
    await world.settle()
    assert world.condition(kind, name, "Ready") == ("True", "Ready")
    assert world.get(kind, name)["status"]["observedGeneration"] == 2  # nothing is left undone
    edited(world, kind, name, **change)
    await world.settle()
    assert world.condition(kind, name, "Ready") == ("False", "Paused")
    assert world.condition(kind, name, "Reconciling") == ("False", "Paused")
    assert world.get(kind, name)["status"]["observedGeneration"] == 2
    edited(world, kind, name, paused=False)
    await world.settle()
    assert world.get(kind, name)["status"]["observedGeneration"] == 4


async def test_a_server_pod_that_goes_on_with_an_earlier_config_shows_after_a_while() -> None:
    world = await settled(optimizer())
    served(world, "o-optimizer")
    world.pods.said = Collected(servers=[], metrics=None, configs=[running(world), running(world)])
    await world.settle()
    assert world.condition("MCPOptimizer", "o", "ConfigInForce") == ("True", "ConfigInForce")
    edited(world, "MCPOptimizer", "o", search={"limit": 3})
    await world.settle(seconds=10)
    assert world.condition("MCPOptimizer", "o", "ConfigInForce") == ("True", "ConfigInForce")
    await world.settle(seconds=30)
    assert world.condition("MCPOptimizer", "o", "ConfigInForce") == ("False", "ConfigOutdated")
    assert world.condition("MCPOptimizer", "o", "Ready") == ("False", "ConfigOutdated")
    world.pods.said = replace(world.pods.said, configs=[running(world)])
    world.queue.add(Key("MCPOptimizer", "ns", "o"))
    await world.settle()
    assert world.condition("MCPOptimizer", "o", "ConfigInForce") == ("True", "ConfigInForce")
    assert world.condition("MCPOptimizer", "o", "Ready") == ("True", "Ready")


def running(world: World) -> str:
    """Hash of the config document as a server Pod computes it."""
    document: str = world.get("ConfigMap", "o-optimizer-config")["data"][CONFIG_KEY]
    return hashlib.sha256(document.encode()).hexdigest()


async def test_rates_fall_to_nothing_with_the_last_server_pod_and_totals_stay() -> None:
    world = await settled(optimizer())
    served(world, "o-optimizer")
    world.pods.said = Collected(servers=[], metrics=METRICS, configs=[running(world)])
    await world.settle()
    assert world.get("MCPOptimizer", "o")["status"]["metrics"]["callsPerSecond"] == 7
    world.pods.said = None
    served(world, "o-optimizer", 0)
    await world.settle()
    found = world.get("MCPOptimizer", "o")["status"]["metrics"]
    assert (found["callsPerSecond"], found["errorPercent"], found["tokensBaseline"]) == (0, 0, 1000)
    assert "p50Ms" not in found and "p95Ms" not in found
    world.api.writes.clear()
    await World(world.api, world.clock).settle()
    assert world.api.writes == []
