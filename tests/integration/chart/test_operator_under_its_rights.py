"""The operator works with the chart's rights alone: nothing it does is forbidden, and hardly anything it may do goes unused."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import RBAC_KINDS, Values, render
from tests.integration.control_plane import ControlPlane
from tests.integration.operator.harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

Use = tuple[str, str, str]  # group, resource[/subresource], verb
WRITES = {"create", "patch", "update", "delete"}


class Installation:
    """The chart's accounts and roles in a namespace, and an operator process that has nothing else."""

    def __init__(self, plane: ControlPlane, namespace: str, watched: str, values: Values, folder: Path) -> None:
        self.plane = plane
        self.user = f"system:serviceaccount:{namespace}:mcp-operator"
        self.objects = [m for m in render(values, namespace=namespace) if m["kind"] in RBAC_KINDS]
        self._list("apply", "-f", "-")
        token = plane.kubectl("create", "token", "mcp-operator", "-n", namespace, "--duration=1h").stdout
        config = yaml.safe_load(plane.kubeconfig.read_text())
        config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        watch = ",".join(values.get("watchNamespaces", ()))
        env = {"KUBECONFIG": str(folder / "kubeconfig"), "WATCH_NAMESPACES": watch, "LEADER_ELECTION": "true"}
        self.operator = Operator(plane, namespace, folder, **env)
        self.cluster = Cluster(plane, watched)
        self.since = plane.audit_position()

    def remove(self) -> None:
        """Stop the operator and take its rights away."""
        self.operator.stop()
        self._list("delete", "--ignore-not-found", "--wait=false", "-f", "-")

    def used(self) -> set[Use]:
        """Every write it made."""
        return {_use(event) for event in self._events()}

    def forbidden(self) -> set[Use]:
        """Every write it was refused for want of rights. Admission answers 403 as well, in other words."""
        return {_use(event) for event in self._events() if event["responseStatus"].get("code") == 403}

    def refused_reads(self) -> list[str]:
        """Requests that RBAC refused, from the operator's own metrics: the audit log has writes only."""
        url = f"http://127.0.0.1:{self.operator.port('metrics_port')}/metrics"
        with urllib.request.urlopen(url, timeout=5) as reply:
            return re.findall(r'^mcpop_api_requests_total\{.*code="40[13]".*$', reply.read().decode(), flags=re.MULTILINE)

    def _events(self) -> Iterator[dict[str, Any]]:
        return (event for event in self.plane.writes(since=self.since) if event["user"]["username"] == self.user)

    def _list(self, *arguments: str) -> None:
        self.plane.kubectl(*arguments, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": self.objects}))


def _use(event: dict[str, Any]) -> Use:
    target = event["objectRef"]
    resource = "/".join(part for part in (target["resource"], target.get("subresource")) if part)
    return target.get("apiGroup", ""), resource, event["verb"]


def work(installation: Installation) -> None:
    """Everything an operator comes across: creation, drift, scaling, a source that changes, deletion."""
    cluster, operator = installation.cluster, installation.operator
    scaled = {"enabled": True, "maxReplicas": 3}
    cluster.apply(
        optimizer("tools", autoscaling=scaled, replicas=2, sandbox={"pool": {"min": 2, "max": 4}}),
        server("files", image="example/files:1", autoscaling=scaled),
        server("far", remote={"url": "http://127.0.0.1:9/mcp"}),
    )
    until("all children", lambda: {"Deployment/tools-optimizer", "Deployment/files-mcp", "Secret/mcp-sandbox-keys"} <= cluster.children())
    until("a warm pool", lambda: len(cluster.list("pods", "mcp.optimizer.dev/component=sandbox")) >= 2)
    until("a status", lambda: cluster.condition("mcpo", "tools", "Ready") and cluster.condition("mcps", "files", "Ready"))
    operator.settle(quiet=1)
    cluster.patch("service", "tools-optimizer", {"spec": {"selector": {"x": "y"}}})
    cluster.delete("configmap", "tools-optimizer-config")
    cluster.apply(optimizer("tools", networkPolicy={"enabled": False}, sandbox={"pool": {"max": 0}}))
    cluster.patch("mcps", "files", {"spec": {"image": None, "autoscaling": None, "remote": {"url": "http://127.0.0.1:9/mcp"}}})
    until("what an image needs is gone", lambda: "Deployment/files-mcp" not in cluster.children())
    until("no sandbox is left", lambda: not cluster.list("pods", "mcp.optimizer.dev/component=sandbox"))
    operator.settle(quiet=1)
    cluster.delete("mcpo,mcps", "--all")
    until("nothing is left", lambda: not [child for child in cluster.children() if "tools" in child], seconds=60)


def run(installation: Installation) -> None:
    try:
        installation.operator.start()
        work(installation)
        assert installation.forbidden() == set()
        assert installation.refused_reads() == []
        assert "forbidden" not in installation.operator.log().lower()
    finally:
        print(installation.operator.log()[-5000:])  # noqa: T201
        installation.remove()


def granted(installation: Installation) -> set[Use]:
    """What the chart lets it write."""
    return {
        (group, resource, verb)
        for role in installation.objects
        if role["kind"] in ("Role", "ClusterRole") and not role["metadata"]["name"].endswith(("-view", "-edit"))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb in WRITES
    }


def test_cluster_wide(control_plane: ControlPlane, namespace: str, elsewhere: str, tmp_path: Path) -> None:
    installation = Installation(control_plane, namespace, elsewhere, {}, tmp_path)
    run(installation)
    used = installation.used()
    assert used - granted(installation) == set()
    # Names of these never change, so only a resource's own deletion ends them, which is garbage collection's work;
    # the right to remove one is kept for the day a newer operator calls it otherwise.
    kept = {("", resource, "delete") for resource in ("serviceaccounts", "configmaps")}
    kept |= {("rbac.authorization.k8s.io", resource, "delete") for resource in ("roles", "rolebindings")}
    kept |= {("policy", "poddisruptionbudgets", "delete")}
    # Server-side apply is a patch to the audit log, and a creation to RBAC.
    kept |= {use for use in granted(installation) if use[2] == "create" and (*use[:2], "patch") in used}
    assert granted(installation) - used - kept == set()


def test_in_named_namespaces(control_plane: ControlPlane, namespace: str, elsewhere: str, tmp_path: Path) -> None:
    run(Installation(control_plane, namespace, elsewhere, {"watchNamespaces": [elsewhere]}, tmp_path))
