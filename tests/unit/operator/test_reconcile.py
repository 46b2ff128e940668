"""Convergence: whatever happens in whatever order, the cluster ends as the specs say, and then nothing is written any more."""

import copy
import random
from typing import Any

import pytest
from tests.unit.operator.objects import optimizer, pod, server
from tests.unit.operator.world import World, settled

from mcp_operator.context import Collected
from mcp_operator.desired.deployment import ACCOUNT_ANNOTATION
from mcp_operator.errors import ConflictError, NamespaceTerminatingError, OperatorError, TerminalError, TransientError
from mcp_operator.kinds import Key
from mcp_operator.verify import Outcome, Verification
from mcp_optimizer_api.optimizer import FederatedServer
from mcp_optimizer_api.status import Reason

OF_SERVER = {("Deployment", "s-mcp"), ("Service", "s-mcp"), ("NetworkPolicy", "s-mcp")}
OF_OPTIMIZER = {
    *(
        (kind, "o-optimizer")
        for kind in ("Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount", "Role", "RoleBinding")
    ),
    ("ConfigMap", "o-optimizer-config"),
    ("NetworkPolicy", "o-optimizer-sandbox"),
    ("Secret", "mcp-sandbox-keys"),
}
VERIFIED = Verification(outcome=Outcome.VERIFIED, reason=Reason.VERIFIED, message="3 tools", count=3, hash="h")


def children(world: World) -> set[tuple[str, str]]:
    return {(key.kind, key.name) for key in world.api.objects if not key.kind.startswith("MCP") and key.kind != "Pod"}


def edited(world: World, kind: str, name: str, **spec: Any) -> None:
    """Somebody changes the spec of a resource."""
    obj = copy.deepcopy(world.get(kind, name))
    obj["spec"] |= spec
    obj["metadata"]["generation"] += 1
    world.api.add(obj)


def serve(world: World, name: str) -> None:
    """The Deployment's Pods are all ready."""
    obj = copy.deepcopy(world.get("Deployment", name))
    replicas = obj["spec"].get("replicas", 1)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    obj["status"] = {"observedGeneration": obj["metadata"]["generation"], **counts}
    world.api.add(obj)
    labels = obj["spec"]["template"]["metadata"]["labels"]
    world.api.add(pod(f"{name}-1", ready=True, labels=labels, podIP="10.0.0.1"))


async def test_all_children_are_made_each_with_one_write_and_the_status_with_one() -> None:
    world = await settled(server(), optimizer())
    assert children(world) == OF_SERVER | OF_OPTIMIZER
    assert len([line for line in world.api.writes if "status" not in line]) == len(OF_SERVER | OF_OPTIMIZER)
    assert sorted(line for line in world.api.writes if "status" in line) == ["apply status MCPOptimizer/o", "apply status MCPServer/s"]


async def test_a_second_look_and_a_restart_write_nothing() -> None:
    world = await settled(server(), optimizer())
    serve(world, "o-optimizer")
    serve(world, "s-mcp")
    world.verdict = VERIFIED
    await world.settle()
    world.api.writes.clear()
    for key in [Key("MCPServer", "ns", "s"), Key("MCPOptimizer", "ns", "o")]:
        world.queue.add(key)
    await world.settle()
    again = World(world.api, world.clock)
    await again.settle()
    assert world.api.writes == []


async def test_whatever_is_deleted_or_edited_comes_back() -> None:
    world = await settled(server(), optimizer())
    before = {key: copy.deepcopy(obj) for key, obj in world.api.objects.items()}
    rng = random.Random(3)
    for _ in range(60):
        key = rng.choice([key for key in world.api.objects if not key.kind.startswith("MCP")])
        if rng.random() < 0.5:
            world.api.take(key)
        else:
            broken = copy.deepcopy(world.api.objects[key])
            broken["metadata"]["labels"] = {**broken["metadata"]["labels"], "app.kubernetes.io/name": "broken"}
            if "spec" in broken:
                broken["spec"] = {**broken["spec"], "selector": {}, "podSelector": {}, "replicas": 9}
            world.api.add(broken)
        if rng.random() < 0.5:
            await world.settle(seconds=2)
    await world.settle()
    assert set(world.api.objects) == set(before)
    for key, obj in before.items():
        if not key.kind.startswith("MCP"):
            now = world.api.objects[key]
            annotations = obj.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
            if ACCOUNT_ANNOTATION in annotations:  # the account may have been made again, with another UID
                annotations[ACCOUNT_ANNOTATION] = world.api.objects[Key("ServiceAccount", key.namespace, key.name)]["metadata"]["uid"]
            assert now["metadata"]["labels"] == obj["metadata"]["labels"]
            assert now.get("spec", {}).items() >= obj.get("spec", {}).items()
            assert now.get("data") == obj.get("data")


@pytest.mark.parametrize("seed", range(12))
async def test_failures_at_any_write_and_restarts_at_any_step_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    world = World()

    def fail(verb: str, key: Key) -> OperatorError | None:
        draw = rng.random()
        if draw < 0.15:
            return TransientError("503")
        if draw < 0.2:
            return ConflictError("409")
        return TerminalError("apply: 403 no") if draw < 0.22 else None

    world.api.fail = fail
    world.api.add(server())
    world.api.add(optimizer())
    for _ in range(80):
        await world.step()
        world.clock.now += rng.random()
        if rng.random() < 0.05:
            world = World(world.api, world.clock)
        if rng.random() < 0.1:
            present = [key for key in world.api.objects if not key.kind.startswith("MCP")]
            if present:
                world.api.take(rng.choice(present))
    world.api.fail = lambda verb, key: None
    await world.settle(seconds=700, steps=5000)
    assert children(world) == OF_SERVER | OF_OPTIMIZER
    assert world.condition("MCPServer", "s", "Stalled") == ("False", "Reconciled")
    world.api.writes.clear()
    await World(world.api, world.clock).settle()
    assert world.api.writes == []


async def test_a_paused_resource_gets_its_condition_and_nothing_else() -> None:
    world = await settled(server(image="i:1", paused=True), optimizer(paused=True))
    assert children(world) == set()
    assert world.condition("MCPServer", "s", "Paused") == ("True", "Paused")
    assert world.condition("MCPOptimizer", "o", "Paused") == ("True", "Paused")


async def test_a_resource_on_its_way_out_is_not_touched() -> None:
    world = World()
    leaving = server()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.api.add(leaving)
    await world.settle()
    assert world.api.writes == []


async def test_a_namespace_on_its_way_out_is_not_fought() -> None:
    world = World()
    attempts: list[str] = []

    def fail(verb: str, key: Key) -> OperatorError | None:
        attempts.append(f"{verb} {key}")
        return NamespaceTerminatingError("apply: 403 terminating") if verb in ("apply", "create") else None

    world.api.fail = fail
    world.api.add(server())
    await world.settle(seconds=600)
    assert len(attempts) == 1
    assert world.api.writes == []


async def test_an_invalid_spec_is_a_condition_and_no_loop_and_heals_with_the_spec() -> None:
    world = await settled(server(image="i:1", replicas="many"))
    assert world.condition("MCPServer", "s", "Ready") == ("False", "InvalidSpec")
    assert world.condition("MCPServer", "s", "Stalled") == ("True", "InvalidSpec")
    assert len(world.api.writes) == 1
    edited(world, "MCPServer", "s", replicas=2)
    await world.settle()
    assert world.get("Deployment", "s-mcp")["spec"]["replicas"] == 2
    assert world.condition("MCPServer", "s", "Stalled") == ("False", "Reconciled")


async def test_a_refused_child_is_a_condition_and_the_others_are_made() -> None:
    world = World()
    world.api.fail = lambda verb, key: TerminalError("apply: 403 exceeded quota: q") if key.kind == "Service" else None
    world.api.add(server())
    await world.settle()
    assert world.condition("MCPServer", "s", "Ready") == ("False", "QuotaExceeded")
    assert children(world) == OF_SERVER - {("Service", "s-mcp")}


async def test_a_lasting_failure_to_reach_the_api_becomes_a_condition_a_short_one_does_not() -> None:
    world = World()
    world.api.fail = lambda verb, key: TransientError("timeout") if key.kind == "Deployment" else None
    world.api.add(server())
    await world.settle(seconds=1, steps=100)
    assert world.condition("MCPServer", "s", "Ready")[1] != "ApplyFailed"
    await world.settle(seconds=60)
    assert world.condition("MCPServer", "s", "Ready") == ("False", "ApplyFailed")


@pytest.mark.parametrize(("kind", "name"), [("MCPServer", "s"), ("MCPOptimizer", "o")])
async def test_no_status_speaks_of_a_generation_that_is_not_applied_yet(kind: str, name: str) -> None:
    world = await settled(server(), optimizer())
    serve(world, f"{name}-{'mcp' if kind == 'MCPServer' else 'optimizer'}")
    world.verdict = VERIFIED
    await world.settle()
    world.api.fail = lambda verb, key: TransientError("503") if verb == "apply" else None
    edited(world, kind, name, resources={"requests": {"cpu": "200m"}})
    await world.settle(seconds=2)
    assert world.get(kind, name)["status"]["observedGeneration"] == 1


@pytest.mark.parametrize(("kind", "name", "policy"), [("MCPServer", "s", "s-mcp"), ("MCPOptimizer", "o", "o-optimizer")])
async def test_nobody_is_called_isolated_without_a_policy(kind: str, name: str, policy: str) -> None:
    world = World()
    world.api.fail = lambda verb, key: TerminalError("apply: 403 no") if key == Key("NetworkPolicy", "ns", policy) else None
    world.api.add(server())
    world.api.add(optimizer())
    await world.settle()
    assert world.condition(kind, name, "NetworkIsolation")[0] == "False"
    world.api.fail = lambda verb, key: None
    await world.settle()
    assert world.condition(kind, name, "NetworkIsolation") == ("True", "PolicyApplied")


async def test_a_deletion_that_is_refused_is_a_condition() -> None:
    world = await settled(server(image="i:1", autoscaling={"enabled": True}))
    world.api.fail = lambda verb, key: TerminalError("delete: 403 no") if verb == "delete" else None
    edited(world, "MCPServer", "s", autoscaling={"enabled": False})
    await world.settle()
    assert world.condition("MCPServer", "s", "Ready") == ("False", "Forbidden")


async def test_an_autoscaled_number_is_never_written_again() -> None:
    scaled = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 9}}
    world = await settled(server(image="i:1", replicas=4, **scaled))
    assert world.get("Deployment", "s-mcp")["spec"]["replicas"] == 4
    obj = copy.deepcopy(world.get("Deployment", "s-mcp"))
    obj["spec"]["replicas"] = 7
    world.api.add(obj)
    world.api.writes.clear()
    await world.settle()
    assert [line for line in world.api.writes if "status" not in line] == []
    assert world.get("Deployment", "s-mcp")["spec"]["replicas"] == 7


async def test_only_selected_servers_reach_the_config() -> None:
    a, b = server("a"), server("b")
    b["metadata"]["labels"] = {"team": "x"}
    world = await settled(a, b, optimizer(servers={"selector": {"matchLabels": {"team": "x"}}}))
    assert '"b"' in world.get("ConfigMap", "o-optimizer-config")["data"]["config.json"]
    assert '"a"' not in world.get("ConfigMap", "o-optimizer-config")["data"]["config.json"]
    relabelled = copy.deepcopy(world.get("MCPServer", "a"))
    relabelled["metadata"]["labels"] = {"team": "x"}
    world.api.add(relabelled)
    await world.settle()
    assert '"a"' in world.get("ConfigMap", "o-optimizer-config")["data"]["config.json"]
    world.api.take(Key("MCPServer", "ns", "b"))
    await world.settle()
    assert '"b"' not in world.get("ConfigMap", "o-optimizer-config")["data"]["config.json"]


async def test_what_the_server_pods_say_reaches_the_status_and_outlives_a_restart() -> None:
    world = await settled(server("a"), optimizer())
    serve(world, "o-optimizer")
    world.pods.said = Collected(servers=[FederatedServer(name="a", ready=True, tools=12)], metrics=None)
    await world.settle()
    status = world.get("MCPOptimizer", "o")["status"]
    assert status["totals"] == {"total": 1, "ready": 1, "tools": 12}
    assert world.condition("MCPOptimizer", "o", "Ready") == ("True", "Ready")
    world.api.writes.clear()
    await World(world.api, world.clock).settle()
    assert world.api.writes == []


async def test_the_verdict_of_a_handshake_decides_about_ready() -> None:
    world = await settled(server("r", remote={"url": "http://example.com/mcp"}))
    assert world.condition("MCPServer", "r", "Ready") == ("False", "Progressing")
    for verdict, expected in (
        (VERIFIED, ("True", "Ready")),
        (Verification(outcome=Outcome.FAILED, reason=Reason.NOT_MCP, message="no"), ("False", "NotMCP")),
        (Verification(outcome=Outcome.UNKNOWN, reason=Reason.AUTH_REQUIRED, message="401"), ("True", "Ready")),
    ):
        world.verdict = verdict
        world.queue.add(Key("MCPServer", "ns", "r"))
        await world.settle()
        assert world.condition("MCPServer", "r", "Ready") == expected
    assert world.get("MCPServer", "r")["status"]["tools"]["count"] == 3, "the last good catalogue stays"
