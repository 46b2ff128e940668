"""Drift is what we want and the live object does not have; nothing else is."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_operator.drift import HASH_ANNOTATION, drift, hashed, same_quantity

WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "x", "labels": {"a": "1"}, "ownerReferences": [{"uid": "u", "controller": True}]},
    "spec": {
        "replicas": 2,
        "paused": False,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "i:1",
                        "env": [{"name": "A", "value": "1"}],
                        "ports": [{"name": "mcp", "containerPort": 80, "protocol": "TCP"}],
                        "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
            }
        },
    },
}


def live() -> dict[str, Any]:
    """As the API server returns it: with defaults, rewritten quantities, and somebody else's additions."""
    found = copy.deepcopy(WANTED)
    found["metadata"] |= {"uid": "1", "labels": {"a": "1", "theirs": "x"}}
    spec = found["spec"]
    del spec["paused"]
    spec["revisionHistoryLimit"] = 10
    container = spec["template"]["spec"]["containers"][0]
    container["imagePullPolicy"] = "IfNotPresent"
    container["resources"]["requests"] = {"cpu": "500m", "memory": "1Gi"}
    container["env"].insert(0, {"name": "INJECTED", "value": "x"})
    spec["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "s:1"})
    found["metadata"]["ownerReferences"].append({"uid": "another"})
    return found


def test_defaults_rewritten_quantities_and_foreign_entries_are_no_drift() -> None:
    assert drift(live(), WANTED) == []


def container(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = obj["spec"]["template"]["spec"]["containers"][1]
    return found


EDITS: list[tuple[str, Any]] = [
    ("spec.replicas", lambda o: o["spec"].update(replicas=3)),
    ("metadata.labels.a", lambda o: o["metadata"]["labels"].update(a="2")),
    ("metadata.ownerReferences[u]", lambda o: o["metadata"].update(ownerReferences=[])),
    ("image", lambda o: container(o).update(image="i:2")),
    ("env[A].value", lambda o: container(o)["env"][1].update(value="2")),
    ("env[A]", lambda o: container(o).pop("env")),
    ("ports[80/TCP]", lambda o: container(o)["ports"][0].update(containerPort=81)),
    ("requests.cpu", lambda o: container(o)["resources"]["requests"].update(cpu="501m")),
    ("emptyDir.sizeLimit", lambda o: o["spec"]["template"]["spec"]["volumes"][0]["emptyDir"].update(sizeLimit="65Mi")),
    ("containers[server]", lambda o: o["spec"]["template"]["spec"]["containers"].pop()),
    ("spec.template", lambda o: o["spec"].update(template=None)),
]


@pytest.mark.parametrize(("path", "edit"), EDITS)
def test_a_changed_field_is_drift_and_is_named(path: str, edit: Any) -> None:
    changed = live()
    edit(changed)
    found = drift(changed, WANTED)
    assert found and any(path in name for name in found), found


@pytest.mark.parametrize(
    ("wanted", "have", "drifted"),
    [
        ({"spec": {"egress": []}}, {"spec": {}}, False),
        ({"spec": {"egress": []}}, {"spec": {"egress": [{}]}}, True),
        ({"spec": {"ingress": [{"ports": [{"port": 1}]}]}}, {"spec": {"ingress": [{"ports": [{"port": 1, "protocol": "TCP"}]}]}}, False),
        ({"spec": {"ingress": [{"ports": [{"port": 1}]}]}}, {"spec": {"ingress": [{"ports": [{"port": 1}]}, {}]}}, True),
        ({"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["get", "list"]}]}, True),
        ({"spec": {"podSelector": {}}}, {"spec": {}}, False),
        ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": "a=1"}}, True),
        ({"spec": {"ports": "x"}}, {"spec": {"ports": ["x"]}}, True),
        ({"spec": {"list": ["a"]}}, {"spec": {"list": "a"}}, True),
    ],
)
def test_lists_without_keys_must_match_exactly(wanted: dict[str, Any], have: dict[str, Any], drifted: bool) -> None:
    assert bool(drift(have, wanted)) is drifted


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("0.5", "500m", True), ("1", "1000m", True), ("1Gi", "1024Mi", True), ("1G", "1Gi", False), ("x", "x", True), ("x", "1", False)],
)
def test_quantities_are_compared_as_amounts(one: str, other: str, same: bool) -> None:
    assert same_quantity(one, other) is same


JSON = st.recursive(
    st.one_of(st.booleans(), st.integers(1, 9), st.text("ab", min_size=1, max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["spec", "data", "list", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENT = st.dictionaries(st.sampled_from(["spec", "data"]), JSON, min_size=1)


@given(DOCUMENT)
def test_an_object_that_is_as_wanted_has_no_drift(document: dict[str, Any]) -> None:
    assert drift(copy.deepcopy(document), document) == []


@given(DOCUMENT, DOCUMENT)
def test_no_drift_means_that_applying_would_change_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    def covers(want: Any, have: Any) -> bool:
        if isinstance(want, dict):
            return (not want and have is None) or (isinstance(have, dict) and all(covers(v, have.get(k)) for k, v in want.items()))
        if isinstance(want, list):
            have = have or []
            return isinstance(have, list) and len(want) == len(have) and all(map(covers, want, have))
        return bool(want == have or (have is None and not want))

    assert (drift(other, one) == []) is covers(one, other)


def test_the_hash_changes_with_the_manifest_and_only_with_it() -> None:
    first = hashed(WANTED)
    assert hashed(copy.deepcopy(WANTED)) == first
    assert HASH_ANNOTATION not in WANTED["metadata"].get("annotations", {})
    other = copy.deepcopy(WANTED)
    del other["spec"]["template"]["spec"]["containers"][0]["env"]
    dropped = hashed(other)
    carried = {**live(), "metadata": {**live()["metadata"], "annotations": first["metadata"]["annotations"]}}
    assert drift(carried, first) == []
    assert drift(carried, dropped) == [f"metadata.annotations.{HASH_ANNOTATION}"], "a field we no longer want is noticed by the hash alone"
