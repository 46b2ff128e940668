"""Applying: only on drift, never over somebody else's object, never stealing the autoscaler's number."""

import copy
from typing import Any, cast

import pytest
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.objects import SETTINGS

from mcp_operator.apply import MANAGER, SCALE_MANAGER, Applier
from mcp_operator.cache import Cache
from mcp_operator.client import Client
from mcp_operator.desired.child import Owner
from mcp_operator.desired.children import server_children
from mcp_operator.drift import HASH_ANNOTATION
from mcp_operator.errors import ConflictError, TerminalError, TransientError
from mcp_operator.kinds import Key, Manifest, key_of
from mcp_optimizer_api.server import MCPServerSpec

OWNER = Owner(Key("MCPServer", "ns", "s"), "uid-s", "2026-01-01T00:00:00Z")


class Bench:
    """An Applier with its cache and API."""

    def __init__(self) -> None:
        self.api, self.cache = FakeApi(), Cache()
        self.applier = Applier(cast(Client, self.api), self.cache)

    async def apply(self, manifest: Manifest, replicas: int | None = None) -> bool:
        return await self.applier.apply(OWNER, manifest, replicas=replicas)

    def add(self, obj: Manifest) -> Manifest:
        stored = self.api.add(obj)
        self.cache.put(stored)
        return stored


def manifest(kind: str, **spec: Any) -> Manifest:
    parsed = MCPServerSpec.model_validate({"image": "i:1", **spec})
    (found,) = [child for child in server_children(OWNER, parsed, SETTINGS) if child["kind"] == kind]
    return found


async def test_a_missing_child_is_made_and_a_good_one_left_alone() -> None:
    bench = Bench()
    assert await bench.apply(manifest("Service")) is True
    assert await bench.apply(manifest("Service")) is False
    assert bench.api.writes == ["apply Service/s-mcp"]
    assert HASH_ANNOTATION in bench.api.objects[Key("Service", "ns", "s-mcp")]["metadata"]["annotations"]


async def test_what_admission_insists_on_is_accepted_once_and_not_fought() -> None:
    bench = Bench()
    await bench.apply(manifest("Service"))

    def insist(obj: Manifest) -> None:
        if "sessionAffinity" in obj.get("spec", {}):
            obj["spec"]["sessionAffinity"] = "None"

    bench.api.admission = insist
    bench.cache.put(bench.api.add(copy.deepcopy({**bench.api.objects[Key("Service", "ns", "s-mcp")], "spec": {"sessionAffinity": "None"}})))
    assert await bench.apply(manifest("Service")) is True
    for _ in range(3):
        assert await bench.apply(manifest("Service")) is False


@pytest.mark.parametrize(
    "reference", [None, {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPServer", "name": "other", "uid": "x", "controller": True}]
)
async def test_somebody_elses_object_is_not_taken_over(reference: Manifest | None) -> None:
    for known in (True, False):
        bench = Bench()
        foreign = copy.deepcopy(manifest("Service"))
        foreign["metadata"]["ownerReferences"] = [reference] if reference else []
        foreign["spec"] = {"ports": [{"port": 9}]}
        stored = bench.add(foreign) if known else bench.api.add(foreign)
        with pytest.raises(TerminalError, match="Service s-mcp exists and is not ours: delete or rename it, or rename this MCPServer"):
            await bench.apply(manifest("Service"))
        assert bench.api.objects[key_of(stored)]["spec"] == {"ports": [{"port": 9}]}


async def test_an_older_object_that_does_not_even_conflict_is_given_back() -> None:
    bench = Bench()
    bench.api.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s-mcp", "namespace": "ns", "creationTimestamp": "2025-12-31T23:59:59Z", "labels": {"theirs": "1"}},
        }
    )
    with pytest.raises(TerminalError, match="is not ours"):
        await bench.apply(manifest("Service"))
    found = bench.api.objects[Key("Service", "ns", "s-mcp")]
    assert found["metadata"]["labels"] == {"theirs": "1"}
    assert not found.get("spec") and not found["metadata"].get("ownerReferences")
    written = len(bench.api.writes)
    with pytest.raises(TerminalError, match="is not ours"):
        await bench.apply(manifest("Service"))
    assert len(bench.api.writes) == written  # a write would be an event, and the event another try
    bench.api.take(Key("Service", "ns", "s-mcp"))
    assert await bench.apply(manifest("Service"))


async def test_a_child_of_an_earlier_namesake_is_left_to_garbage_collection() -> None:
    bench = Bench()
    old = copy.deepcopy(manifest("Service"))
    old["metadata"]["ownerReferences"][0]["uid"] = "uid-of-the-one-before"
    bench.add(old)
    with pytest.raises(TransientError, match="waiting for garbage collection"):
        await bench.apply(manifest("Service"))
    assert bench.api.writes == []


async def test_a_child_that_is_being_deleted_is_waited_for() -> None:
    bench = Bench()
    await bench.apply(manifest("Service"))
    going = copy.deepcopy(bench.api.objects[Key("Service", "ns", "s-mcp")])
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z"
    bench.add(going)
    with pytest.raises(TransientError, match="is being deleted"):
        await bench.apply(manifest("Service"))


async def test_our_child_that_fell_out_of_the_cache_is_found_again() -> None:
    bench = Bench()
    await bench.apply(manifest("Service"))
    changed = copy.deepcopy(bench.api.objects[Key("Service", "ns", "s-mcp")])
    changed["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "me"}
    bench.api.add(changed)
    bench.api._applied.clear()
    bench.cache.remove(Key("Service", "ns", "s-mcp"))
    assert await bench.apply(manifest("Service")) is True
    assert bench.api.objects[Key("Service", "ns", "s-mcp")]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "mcp-operator"


SCALED = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 9}}
DEPLOYMENT = Key("Deployment", "ns", "s-mcp")


def owned_by(bench: Bench, *managers: str) -> None:
    """Field ownership of spec.replicas, as the API server tracks it."""
    obj = copy.deepcopy(bench.api.objects[DEPLOYMENT])
    fields = {"f:spec": {"f:replicas": {}}}
    obj["metadata"]["managedFields"] = [{"manager": name, "operation": "Apply", "fieldsV1": fields} for name in managers]
    bench.add(obj)


async def test_the_initial_number_is_given_at_creation() -> None:
    bench = Bench()
    await bench.apply(manifest("Deployment", **SCALED), replicas=4)
    assert bench.api.objects[DEPLOYMENT]["spec"]["replicas"] == 4


async def test_a_number_only_we_own_is_handed_over_before_it_is_dropped() -> None:
    bench = Bench()
    await bench.apply(manifest("Deployment", replicas=3))
    owned_by(bench, MANAGER)
    await bench.apply(manifest("Deployment", **SCALED), replicas=2)
    assert bench.api.writes[1:] == ["apply Deployment/s-mcp", "apply Deployment/s-mcp"]
    assert bench.api._applied[DEPLOYMENT, SCALE_MANAGER]["spec"] == {"replicas": 3}


async def test_a_number_somebody_else_owns_is_not_handed_over() -> None:
    bench = Bench()
    await bench.apply(manifest("Deployment", **SCALED), replicas=4)
    owned_by(bench, "kube-controller-manager")
    await bench.apply(manifest("Deployment", image="i:2", **SCALED), replicas=4)
    assert (DEPLOYMENT, SCALE_MANAGER) not in bench.api._applied


async def test_a_hand_over_loses_against_an_autoscaler_that_was_faster() -> None:
    bench = Bench()
    await bench.apply(manifest("Deployment", replicas=3))
    owned_by(bench, MANAGER)
    newer = copy.deepcopy(bench.api.objects[DEPLOYMENT])
    newer["spec"]["replicas"] = 8
    bench.api.add(newer)
    with pytest.raises(ConflictError):
        await bench.apply(manifest("Deployment", **SCALED), replicas=2)
    assert bench.api.objects[DEPLOYMENT]["spec"]["replicas"] == 8


@pytest.mark.parametrize(("scaled", "number"), [(SCALED, 4), ({}, 0)])
async def test_a_number_of_zero_that_switches_the_autoscaler_off_is_taken_back_once(scaled: dict[str, Any], number: int) -> None:
    bench = Bench()
    initial = 4 if scaled else None
    await bench.apply(manifest("Deployment", replicas=0, **scaled), replicas=initial)
    stopped = copy.deepcopy(bench.api.objects[DEPLOYMENT])
    stopped["spec"]["replicas"] = 0
    bench.add(stopped)
    written = len(bench.api.writes)
    for _ in range(3):
        await bench.apply(manifest("Deployment", replicas=0, **scaled), replicas=initial)
    assert bench.api.objects[DEPLOYMENT]["spec"]["replicas"] == number
    assert len(bench.api.writes) - written == (1 if scaled else 0)


async def test_pruning_deletes_our_unwanted_children_only() -> None:
    bench = Bench()
    for kind in ("Service", "NetworkPolicy", "Deployment"):
        await bench.apply(manifest(kind))
    foreign = {**copy.deepcopy(manifest("Service")), "metadata": {**manifest("Service")["metadata"], "name": "x", "labels": {}}}
    bench.add(foreign)
    bench.add({"apiVersion": "v1", "kind": "Pod", "metadata": {**manifest("Service")["metadata"], "name": "pod"}})
    assert await bench.applier.prune(OWNER, {key_of(manifest("Service"))}) == 2
    assert {key.name + key.kind for key in bench.api.objects} == {"s-mcpService", "xService", "podPod"}
