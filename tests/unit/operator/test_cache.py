"""The cache holds the newest state of each object and knows what belongs to whom."""

from typing import Any

from tests.unit.operator.objects import pod, resource

from mcp_operator.cache import Cache, controller_uid, owners, trimmed
from mcp_operator.kinds import Key

OWNER = Key("MCPOptimizer", "ns", "o")


def child(name: str = "c", version: str = "5", uid: str = "u", **metadata: Any) -> dict[str, Any]:
    references = [{"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "name": "o", "uid": "uid-o", "controller": True}]
    head = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version, "ownerReferences": references, **metadata}
    return {"apiVersion": "v1", "kind": "Service", "metadata": head, "spec": {}}


def test_an_object_is_found_by_key_by_owner_and_by_kind() -> None:
    cache = Cache()
    cache.put(child("b"))
    cache.put(child("a"))
    cache.put(resource("MCPOptimizer", "o"))
    assert [obj["metadata"]["name"] for obj in cache.children(OWNER)] == ["a", "b"]
    assert cache.children(OWNER, "Deployment") == []
    assert [obj["metadata"]["name"] for obj in cache.select("Service", "ns")] == ["a", "b"]
    assert list(cache.select("Service", "other")) == []
    assert len(list(cache.select("Service"))) == 2
    assert len(cache) == 3


def test_older_and_equal_versions_change_nothing() -> None:
    cache = Cache()
    assert cache.put(child(version="10", labels={"v": "new"}))
    assert not cache.put(child(version="10", labels={"v": "same"}))
    assert not cache.put(child(version="9", labels={"v": "old"}))
    assert cache.get(Key("Service", "ns", "c"))["metadata"]["labels"] == {"v": "new"}  # type: ignore[index]
    assert cache.put(child(version="11"))


def test_another_incarnation_always_replaces_and_versions_that_are_no_numbers_are_compared_for_equality() -> None:
    cache = Cache()
    cache.put(child(version="10"))
    assert cache.put(child(version="3", uid="another"))
    assert cache.put(child(version="opaque", uid="another"))
    assert not cache.put(child(version="opaque", uid="another"))


def test_removing_needs_the_right_incarnation() -> None:
    cache = Cache()
    cache.put(child())
    key = Key("Service", "ns", "c")
    assert not cache.remove(key, "somebody else")
    assert cache.remove(key, "u")
    assert not cache.remove(key)
    assert cache.children(OWNER) == []
    assert len(list(cache.select("Service"))) == 0


def test_a_child_that_changes_its_owner_leaves_the_old_one() -> None:
    cache = Cache()
    cache.put(child(version="1"))
    cache.put(
        child(version="2", ownerReferences=[{"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "name": "new", "uid": "x"}])
    )
    assert cache.children(OWNER) == []
    assert len(cache.children(Key("MCPOptimizer", "ns", "new"))) == 1


def test_owners_come_from_references_and_otherwise_from_our_labels() -> None:
    ours = {"app.kubernetes.io/managed-by": "mcp-operator"}
    assert owners(child()) == [OWNER]
    assert owners(pod(labels={**ours, "mcp.optimizer.dev/server": "s"})) == [Key("MCPServer", "ns", "s")]
    assert owners(pod(labels={**ours, "mcp.optimizer.dev/optimizer": "o"})) == [OWNER]
    assert owners(pod(labels={"mcp.optimizer.dev/optimizer": "o"})) == [], "a label anybody may set is not enough"
    foreign = {"kind": "ReplicaSet", "name": "r", "uid": "1", "controller": True}
    assert owners({**pod(), "metadata": {**pod()["metadata"], "ownerReferences": [foreign]}}) == []
    namesake = {"apiVersion": "elsewhere.example/v1", "kind": "MCPServer", "name": "s", "uid": "1", "controller": True}
    assert owners({**pod(), "metadata": {**pod()["metadata"], "ownerReferences": [namesake]}}) == []


def test_the_controller_is_the_reference_that_says_so() -> None:
    references = [{"kind": "A", "name": "a", "uid": "1"}, {"kind": "B", "name": "b", "uid": "2", "controller": True}]
    assert controller_uid(child(ownerReferences=references)) == "2"
    assert controller_uid(child(ownerReferences=references[:1])) is None


def test_trimming_keeps_only_who_owns_the_replicas() -> None:
    managed = [
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
        {"manager": "mcp-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "1"}
    found = trimmed(child(managedFields=managed, annotations=annotations))["metadata"]
    assert found["managedFields"] == [{"manager": "mcp-operator", "operation": "Apply"}]
    assert found["annotations"] == {"kept": "1"}
    assert "managedFields" not in trimmed(child(managedFields=managed[:1]))["metadata"]


def test_trimming_does_not_touch_what_it_was_given() -> None:
    given = child(managedFields=[], annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"})
    trimmed(given)
    assert "managedFields" in given["metadata"]
    assert given["metadata"]["annotations"]


def test_a_late_answer_does_not_bring_a_deleted_object_back_but_a_newer_state_does() -> None:
    cache = Cache()
    key = Key("Service", "ns", "c")
    cache.remove(key, "u", last=child(version="7"))
    assert not cache.put(child(version="6"))
    assert cache.get(key) is None
    assert cache.put(child(version="8")), "it only left our label selector, and we brought it back"
    assert cache.put(child(version="5", uid="another"))


def test_a_late_answer_does_not_replace_the_namesake_that_was_made_since() -> None:
    cache = Cache()
    key = Key("Service", "ns", "c")
    cache.remove(key, "u", last=child(version="7"))
    cache.put(child(version="8", uid="another"))
    assert not cache.put(child(version="6"))
    assert (cache.get(key) or {})["metadata"]["uid"] == "another"
