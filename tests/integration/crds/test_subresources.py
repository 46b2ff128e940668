"""What kubectl and autoscalers do with our resources: scale, status, columns, explain."""

import json
from typing import Any

import pytest

from mcp_optimizer_api.crd import documents
from tests.integration.control_plane import ControlPlane
from tests.integration.crds.cases import manifest

pytestmark = pytest.mark.integration


def patch_status(plane: ControlPlane, namespace: str, resource: str, status: dict[str, Any]) -> None:
    plane.kubectl("patch", resource, "-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def ready(status: str) -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(("kind", "spec"), [("MCPOptimizer", {}), ("MCPServer", {"image": "nginx"})])
def test_kubectl_scale_changes_the_replicas(kind: str, spec: dict[str, Any], control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest(kind, spec))
    control_plane.kubectl("scale", kind.lower(), "case", "-n", namespace, "--replicas=4")
    assert control_plane.get(namespace, kind, "case")["spec"]["replicas"] == 4


def test_scaling_a_remote_is_refused_with_the_reason(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPServer", {"remote": {"url": "https://mcp.example.com"}}))
    scaled = control_plane.kubectl("scale", "mcps", "case", "-n", namespace, "--replicas=2", check=False)
    assert scaled.returncode == 1
    assert "would be ignored with remote" in scaled.stderr


def test_the_scale_subresource_tells_an_autoscaler_which_pods(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPOptimizer", {"replicas": 3}))
    patch_status(control_plane, namespace, "mcpo/case", {"replicas": 2, "selector": "mcp.optimizer.dev/optimizer=case"})
    path = f"/apis/mcp.optimizer.dev/v1/namespaces/{namespace}/mcpoptimizers/case/scale"
    scale = json.loads(control_plane.kubectl("get", "--raw", path).stdout)
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "mcp.optimizer.dev/optimizer=case"}


def test_status_and_spec_are_written_separately(control_plane: ControlPlane, namespace: str) -> None:
    body = manifest("MCPServer", {"image": "nginx"})
    made = control_plane.create(namespace, {**body, "status": {"replicas": 7}})
    assert "status" not in made
    patch_status(control_plane, namespace, "mcps/case", {"replicas": 1})
    stored = control_plane.get(namespace, "MCPServer", "case")
    assert stored["status"] == {"replicas": 1}
    assert stored["metadata"]["generation"] == 1


def test_conditions_of_two_writers_live_side_by_side(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPServer", {"image": "nginx"}))
    for manager, kind in (("one", "Ready"), ("two", "Audited")):
        body = {**manifest("MCPServer", None), "status": {"conditions": [{**ready("True"), "type": kind}]}}
        control_plane.kubectl(
            "apply",
            "--server-side",
            f"--field-manager={manager}",
            "--subresource=status",
            "-n",
            namespace,
            "-f",
            "-",
            stdin=json.dumps(body),
        )
    conditions = control_plane.get(namespace, "MCPServer", "case")["status"]["conditions"]
    assert {condition["type"] for condition in conditions} == {"Ready", "Audited"}


def test_a_condition_with_an_unknown_status_is_refused(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPServer", {"image": "nginx"}))
    with pytest.raises(RuntimeError, match=r'supported values: "True", "False", "Unknown"'):
        patch_status(control_plane, namespace, "mcps/case", {"conditions": [ready("Maybe")]})


def test_kubectl_get_shows_what_one_wants_to_know(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPOptimizer", {}))
    patch_status(
        control_plane,
        namespace,
        "mcpo/case",
        {
            "conditions": [ready("True")],
            "replicas": 2,
            "readyReplicas": 1,
            "totals": {"total": 9, "ready": 8, "tools": 321},
            "sandboxes": {"warm": 5},
            "metrics": {
                "windowSeconds": 60,
                "callsPerSecond": 1.5,
                "errorPercent": 0,
                "p95Ms": 12.5,
                "tokensBaseline": 1000,
                "tokensServed": 15,
                "tokensSavedPercent": 98.5,
                "tokenMethod": "utf8-bytes/4",
            },
        },
    )
    header, line = control_plane.kubectl("get", "mcpo", "-n", namespace).stdout.splitlines()
    assert header.split() == ["NAME", "READY", "REPLICAS", "AVAILABLE", "SERVERS", "TOOLS", "WARM", "P95MS", "SAVED%", "AGE"]
    assert line.split()[:-1] == ["case", "True", "2", "1", "8", "321", "5", "12.5", "98.5"]


def test_both_kinds_are_in_the_category(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPOptimizer", {}))
    control_plane.create(namespace, manifest("MCPServer", {"image": "nginx"}))
    listed = control_plane.kubectl("get", "mcp", "-n", namespace, "-o", "name").stdout.split()
    assert listed == ["mcpoptimizer.mcp.optimizer.dev/case", "mcpserver.mcp.optimizer.dev/case"]


def test_kubectl_explain_knows_every_field(control_plane: ControlPlane) -> None:
    text = control_plane.kubectl("explain", "mcpoptimizer.spec.sandbox.pool").stdout
    assert "How many Pods are kept." in text


def test_the_definitions_fit_the_annotation_of_client_side_apply(control_plane: ControlPlane) -> None:
    for name, text in documents().items():
        assert len(text.encode()) < 200 * 1024, name
        control_plane.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)


def test_the_api_server_finds_nothing_to_complain_about(control_plane: ControlPlane) -> None:
    for plural in ("mcpoptimizers", "mcpservers"):
        found = json.loads(control_plane.kubectl("get", "crd", f"{plural}.mcp.optimizer.dev", "-o", "json").stdout)
        conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert conditions["Established"] == conditions["NamesAccepted"] == "True"
