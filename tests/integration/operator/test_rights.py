"""The operator with exactly the rights that the chart gives it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.helm import render

from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

RBAC = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@pytest.fixture(params=["namespaced", "clusterwide"])
def limited(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operator]:
    """Logged in with the token of the chart's ServiceAccount."""
    values = {"watchNamespaces": [cluster.namespace]} if request.param == "namespaced" else {}
    manifests = [manifest for manifest in render(values, namespace=cluster.namespace) if manifest["kind"] in RBAC]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    cluster.plane.kubectl("apply", "-n", cluster.namespace, "-f", "-", stdin=body)
    (account,) = [m["metadata"]["name"] for m in manifests if m["kind"] == "ServiceAccount"]
    token = cluster.plane.kubectl("create", "token", account, "-n", cluster.namespace).stdout.strip()
    config = yaml.safe_load(cluster.plane.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    env = {"KUBECONFIG": os.fspath(path), "LEADER_ELECTION": "true"}
    if request.param == "clusterwide":
        env["WATCH_NAMESPACES"] = ""
    operator = Operator(cluster.plane, cluster.namespace, tmp_path, **env).start()
    yield operator
    operator.stop()
    print(operator.log()[-3000:])  # noqa: T201
    for manifest in manifests:
        if manifest["kind"].startswith("Cluster"):
            cluster.plane.kubectl("delete", manifest["kind"], manifest["metadata"]["name"])


def test_everything_the_operator_does_is_within_its_rights(cluster: Cluster, limited: Operator) -> None:
    scaled = {"autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}
    cluster.apply(server(image="example/server:1", **scaled), optimizer(sandbox={"pool": {"min": 1, "max": 1}}, **scaled))
    until("all children", lambda: len(cluster.children()) == 4 + 10 + 1)
    until("a sandbox", lambda: cluster.list("pods", "mcp.optimizer.dev/component=sandbox"))
    cluster.expect("mcpo", "o", "Ready", "False", "Progressing")
    # Updates, hand-over of replicas, deletions.
    cluster.apply(server(image="example/server:2", **scaled), optimizer(networkPolicy={"enabled": False}))
    until("two children fewer", lambda: len(cluster.children()) == 4 + 8 + 1)
    cluster.apply(optimizer("second"))
    until("a second key", lambda: len((cluster.get("secret", "mcp-sandbox-keys") or {}).get("data", {})) == 2)
    limited.settle()
    assert "forbidden" not in limited.log().lower()
