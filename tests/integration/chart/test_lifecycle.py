"""Install, upgrade and uninstall with a real Helm, on a control plane of its own: releases own the CRDs, which other tests share."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import CHART, RELEASE, HelmError, Values, binary, helm
from tests.integration.control_plane import CHECKOUT, ControlPlane, devcluster
from tests.integration.crds.cases import manifest

pytestmark = pytest.mark.integration

WHERE = ("--control-plane-only", "--name", "chart")
NAMESPACE = "mcp-system"
CRDS = ("mcpoptimizers.mcp.optimizer.dev", "mcpservers.mcp.optimizer.dev")


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A fresh control plane without anything of ours."""
    binary()
    devcluster("down", *WHERE)
    made = ControlPlane(CHECKOUT / devcluster("up", *WHERE).splitlines()[-1])
    yield made
    made.api.close()
    devcluster("down", *WHERE)


@pytest.fixture(autouse=True)
def without_release(plane: ControlPlane) -> Iterator[None]:
    """No release and no CRD after each test."""
    yield
    release(plane, "uninstall", RELEASE, "--ignore-not-found")
    plane.kubectl("delete", "crd", *CRDS, "--ignore-not-found", "--wait=false")
    definitions_go(plane)


def definitions_go(plane: ControlPlane) -> None:
    """Wait until the API server has taken the CRDs down; fail with what it says of them.

    One that it serves only just may have a storage that it cannot look into yet; it comes back to that after pauses that double, minutes in the end.
    """
    left: dict[str, Any] = {}

    def gone() -> bool:
        left.clear()
        left.update({found["metadata"]["name"]: found.get("status", {}).get("conditions") for found in stored(plane, "crd")["items"]})
        return not left

    try:
        plane.eventually(gone, seconds=240)
    except AssertionError as error:
        raise AssertionError(f"{error}: {left}") from None


def release(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> str:
    return helm("--kubeconfig", str(plane.kubeconfig), "--namespace", NAMESPACE, *arguments, stdin=stdin)


def upgrade(plane: ControlPlane, values: Values | None = None, *, chart: Path = CHART) -> str:
    """Install or upgrade without waiting: there is no node. Values of the release before are forgotten."""
    flags = ("--create-namespace", "--reset-values", "--values", "-")
    return release(plane, "upgrade", "--install", RELEASE, str(chart), *flags, stdin=json.dumps(values or {}))


def stored(plane: ControlPlane, *what: str) -> Any:
    return json.loads(plane.kubectl("get", *what, "-o", "json").stdout)


def versions(plane: ControlPlane) -> dict[str, str]:
    """Generation of everything that a second, equal upgrade must not change."""
    kinds = "deployments,services,serviceaccounts,roles,rolebindings"
    found = stored(plane, kinds, "-n", NAMESPACE)["items"] + stored(plane, "crd", "-l", "app.kubernetes.io/name=mcp-operator")["items"]
    return {f"{m['kind']}/{m['metadata']['name']}": str(m["metadata"].get("generation", m["metadata"]["resourceVersion"])) for m in found}


def test_an_installation_serves_the_resources_and_says_what_to_do_next(plane: ControlPlane) -> None:
    notes = upgrade(plane)
    assert f"helm test {RELEASE}" in notes
    assert "kind: MCPOptimizer" in notes
    plane.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd", *CRDS)
    assert plane.create("default", manifest("MCPOptimizer", None))["spec"]["replicas"] == 1


def test_an_upgrade_with_the_same_values_changes_nothing(plane: ControlPlane) -> None:
    upgrade(plane)
    before = versions(plane)
    upgrade(plane)
    assert versions(plane) == before
    assert len(before) >= 8


def test_an_upgrade_changes_what_was_asked_for(plane: ControlPlane) -> None:
    upgrade(plane)
    upgrade(plane, {"replicas": 2, "logLevel": "DEBUG"})
    assert stored(plane, "deployment", "mcp-operator", "-n", NAMESPACE)["spec"]["replicas"] == 2
    assert stored(plane, "pdb", "mcp-operator", "-n", NAMESPACE)["spec"]["maxUnavailable"] == 1
    upgrade(plane)
    assert stored(plane, "pdb", "-n", NAMESPACE)["items"] == []


def test_an_upgrade_brings_new_fields(plane: ControlPlane, tmp_path: Path) -> None:
    older = tmp_path / "mcp-operator"
    shutil.copytree(CHART, older)
    path = older / "files" / "crds" / "mcpoptimizers.yaml"
    definition = yaml.safe_load(path.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["search"]
    path.write_text("# Older.\n" + yaml.safe_dump(definition, sort_keys=False))
    upgrade(plane, chart=older)
    plane.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd", *CRDS)
    assert "search" not in plane.create("default", manifest("MCPOptimizer", None))["spec"]
    upgrade(plane)
    plane.eventually(lambda: stored(plane, "mcpo", "case", "-n", "default")["spec"].get("search") == {"limit": 8})


def test_an_uninstall_keeps_the_resources_and_a_new_installation_takes_them_over(plane: ControlPlane) -> None:
    upgrade(plane)
    plane.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd", *CRDS)
    uid = plane.create("default", manifest("MCPServer", {"image": "nginx"}))["metadata"]["uid"]
    release(plane, "uninstall", RELEASE)
    assert stored(plane, "deployments,roles,services", "-n", NAMESPACE)["items"] == []
    assert stored(plane, "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/name=mcp-operator")["items"] == []
    assert stored(plane, "mcps", "case", "-n", "default")["metadata"]["uid"] == uid
    upgrade(plane)
    assert stored(plane, "mcps", "case", "-n", "default")["metadata"]["uid"] == uid


def test_an_uninstall_removes_the_definitions_when_asked_to(plane: ControlPlane) -> None:
    assert "deletes the CRDs" in upgrade(plane, {"crds": {"keep": False}})
    release(plane, "uninstall", RELEASE)
    definitions_go(plane)


def test_without_definitions_the_notes_say_so(plane: ControlPlane) -> None:
    assert "waits until somebody installs them" in upgrade(plane, {"crds": {"enabled": False}})
    assert stored(plane, "crd")["items"] == []


def test_a_namespaced_installation_makes_no_cluster_role(plane: ControlPlane) -> None:
    plane.kubectl("create", "namespace", "team-a")
    notes = upgrade(plane, {"watchNamespaces": ["team-a"]})
    assert "the namespaces team-a" in notes
    assert stored(plane, "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/name=mcp-operator")["items"] == []
    assert len(stored(plane, "roles", "-n", "team-a")["items"]) == 1


def test_a_wrong_value_changes_nothing(plane: ControlPlane) -> None:
    upgrade(plane)
    before = versions(plane)
    with pytest.raises(HelmError, match="additional properties 'replica' not allowed"):
        upgrade(plane, {"replica": 2})
    assert versions(plane) == before
