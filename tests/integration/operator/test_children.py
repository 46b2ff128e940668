"""Both resources get their children, and every child comes back as it should be when somebody deletes or edits it."""

import json
from typing import Any

import pytest

from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

SCALED = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 4}}
OF_SERVER = {"Deployment/s-mcp", "Service/s-mcp", "NetworkPolicy/s-mcp", "HorizontalPodAutoscaler/s-mcp"}
OF_OPTIMIZER = {
    *(
        f"{kind}/o-optimizer"
        for kind in (
            "Deployment",
            "Service",
            "NetworkPolicy",
            "HorizontalPodAutoscaler",
            "PodDisruptionBudget",
            "ServiceAccount",
            "Role",
            "RoleBinding",
        )
    ),
    "ConfigMap/o-optimizer-config",
    "NetworkPolicy/o-optimizer-sandbox",
    "Secret/mcp-sandbox-keys",
}
REPAIR_SECONDS = 5.0


@pytest.fixture
def both(cluster: Cluster, operator: Operator) -> Cluster:
    """One resource of each kind, with all their children."""
    cluster.apply(server(image="example/server:1", **SCALED), optimizer(**SCALED))
    until("all children", lambda: cluster.children() == OF_SERVER | OF_OPTIMIZER or None)
    operator.settle()
    return cluster


def config(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("configmap", "o-optimizer-config")
    parsed: dict[str, Any] = json.loads(found["data"]["config.json"]) if found else {}
    return parsed


def test_every_deleted_child_is_made_again(both: Cluster) -> None:
    for child in sorted(OF_SERVER | OF_OPTIMIZER):
        kind, name = child.split("/")
        before = both.get(kind, name)
        assert before is not None
        both.delete(kind, name)

        def again(kind: str = kind, name: str = name, uid: str = before["metadata"]["uid"]) -> bool:
            found = both.get(kind, name)
            return found is not None and found["metadata"]["uid"] != uid

        until(f"{child} made again", again, seconds=REPAIR_SECONDS)


EDITS: list[tuple[str, str, Any]] = [
    ("Deployment", "s-mcp", {"spec": {"template": {"spec": {"enableServiceLinks": True}}}}),
    ("Deployment", "o-optimizer", {"spec": {"template": {"spec": {"securityContext": {"runAsNonRoot": None}}}}}),
    ("Deployment", "s-mcp", {"spec": {"minReadySeconds": None, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}}}),
    ("Service", "s-mcp", {"spec": {"sessionAffinity": "None"}}),
    ("Service", "o-optimizer", {"spec": {"selector": {"mcp.optimizer.dev/optimizer": "other"}}}),
    ("NetworkPolicy", "s-mcp", {"spec": {"ingress": [{}]}}),
    ("NetworkPolicy", "o-optimizer-sandbox", {"spec": {"egress": [{}]}}),
    ("HorizontalPodAutoscaler", "s-mcp", {"spec": {"maxReplicas": 40}}),
    ("PodDisruptionBudget", "o-optimizer", {"spec": {"maxUnavailable": 0}}),
    ("ServiceAccount", "o-optimizer", {"automountServiceAccountToken": True}),
    ("Role", "o-optimizer", {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
    ("RoleBinding", "o-optimizer", {"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]}),
    ("ConfigMap", "o-optimizer-config", {"data": {"config.json": "{}"}}),
    ("Deployment", "s-mcp", {"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}}),
    ("Service", "s-mcp", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
    ("Service", "s-mcp", {"metadata": {"ownerReferences": None}}),
]


@pytest.mark.timeout(180)
def test_every_edited_child_is_repaired(both: Cluster, operator: Operator) -> None:
    for kind, name, edit in EDITS:
        before = both.get(kind, name)
        assert before is not None
        both.patch(kind, name, edit)

        def repaired(kind: str = kind, name: str = name, before: dict[str, Any] = before) -> bool:
            found = both.get(kind, name)
            return found is not None and wanted(found) == wanted(before)

        until(f"{kind}/{name} repaired after {edit}", repaired, seconds=REPAIR_SECONDS)


def wanted(obj: dict[str, Any]) -> dict[str, Any]:
    """An object without what changes by itself."""
    metadata = {field: obj["metadata"].get(field) for field in ("labels", "ownerReferences")}
    return {"metadata": metadata, **{field: value for field, value in obj.items() if field not in ("metadata", "status")}}


def test_pods_of_both_kinds_are_admitted_where_restricted_is_enforced(both: Cluster) -> None:
    until("Pods of both", lambda: len(both.list("pods", "app.kubernetes.io/managed-by=mcp-operator")) >= 4)


def test_a_config_change_reaches_the_config_map_and_restarts_no_pod(both: Cluster) -> None:
    before = both.get("deployment", "o-optimizer")
    both.apply(server("second", remote={"url": "http://example.invalid/mcp"}))
    until("second server in the config", lambda: [u["name"] for u in config(both)["upstreams"]] == ["s", "second"], seconds=5)
    both.apply(optimizer(**SCALED, mode="mcp_only", servers={"selector": {"matchLabels": {"team": "a"}}}))
    until("mode and selection in the config", lambda: config(both)["mode"] == "mcp_only" and config(both)["upstreams"] == [], seconds=5)
    tools = {"pinned": ["s.one"], "exclude": ["*.delete_*"], "maxResultBytes": 4096}
    both.apply(optimizer(**SCALED, tools=tools, batch={"maxItems": 7}))
    until("tools in the config", lambda: (config(both).get("tools"), config(both).get("batch")) == (tools, {"maxItems": 7}), seconds=5)
    after = both.get("deployment", "o-optimizer")
    assert before is not None and after is not None
    assert before["spec"]["template"] == after["spec"]["template"]


def test_children_that_are_not_wanted_any_more_are_deleted(both: Cluster) -> None:
    both.apply(server(image="example/server:1"), optimizer(networkPolicy={"enabled": False}))
    gone = {"HorizontalPodAutoscaler/s-mcp", "HorizontalPodAutoscaler/o-optimizer", "NetworkPolicy/o-optimizer"}
    until("autoscalers and policy gone", lambda: both.children() == (OF_SERVER | OF_OPTIMIZER) - gone)


def test_an_image_that_becomes_a_remote_leaves_no_pod_behind(both: Cluster) -> None:
    both.delete("mcpserver", "s")
    both.apply(server(remote={"url": "http://example.invalid/mcp"}))
    until("children of the image gone", lambda: not OF_SERVER & both.children())


def test_a_field_dropped_from_the_spec_is_dropped_from_the_child(both: Cluster) -> None:
    def env() -> list[str]:
        found = both.get("deployment", "s-mcp")
        assert found is not None
        return [variable["name"] for variable in found["spec"]["template"]["spec"]["containers"][0].get("env", [])]

    both.apply(server(image="example/server:1", env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], **SCALED))
    until("both variables", lambda: env() == ["A", "B"])
    both.apply(server(image="example/server:1", env=[{"name": "B", "value": "2"}], **SCALED))
    until("one variable", lambda: env() == ["B"])


def test_quantities_that_the_api_server_rewrites_are_no_drift(cluster: Cluster, operator: Operator) -> None:
    resources = {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "2048Mi"}}
    cluster.apply(server(image="example/server:1", resources=resources))
    until("Deployment", lambda: cluster.get("deployment", "s-mcp"))
    operator.settle()
    position = cluster.plane.audit_position()
    cluster.patch("deployment", "s-mcp", {"metadata": {"annotations": {"touched": "yes"}}})
    operator.settle()
    assert operator.writes(position) == []


def test_a_foreign_object_of_the_same_name_is_not_taken_over(cluster: Cluster, operator: Operator) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "o-optimizer"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s-mcp"}, "spec": {"ports": [{"port": 9}]}}
    cluster.apply(account, service)
    before = cluster.get("serviceaccount", "o-optimizer"), cluster.get("service", "s-mcp")
    until("the next second", lambda: age(before[0]) > 1)
    cluster.apply(server(image="example/server:1"), optimizer())
    said = cluster.expect("mcps", "s", "Ready", "False", "Forbidden")
    assert "Service s-mcp exists and is not ours" in said["message"]
    assert "ServiceAccount o-optimizer exists" in cluster.expect("mcpo", "o", "Ready", "False", "Forbidden")["message"]
    for old in before:
        assert old is not None
        new = cluster.get(old["kind"], old["metadata"]["name"])
        assert new is not None and wanted(new) == wanted(old)
    cluster.delete("service", "s-mcp")
    until("made once the name is free", lambda: "Service/s-mcp" in cluster.children(), seconds=60)


def age(obj: dict[str, Any] | None) -> float:
    import calendar
    import time

    assert obj is not None
    return time.time() - calendar.timegm(time.strptime(obj["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
