"""Every render is accepted by a real API server, in a namespace that enforces the `restricted` Pod Security profile."""

import json

import pytest

from tests.helm import VALUE_SETS, Manifest, render
from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> str:
    """The namespaces that the value sets speak of, all restricted."""
    for name in ("mcp-system", "team-a", "team-b"):
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    return "mcp-system"


def as_list(manifests: list[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


@pytest.mark.parametrize("case", VALUE_SETS)
def test_a_render_is_admitted_without_a_warning(case: str, control_plane: ControlPlane, restricted: str) -> None:
    manifests = [m for m in render(VALUE_SETS[case], namespace=restricted) if m["kind"] != "CustomResourceDefinition"]
    done = control_plane.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=as_list(manifests))
    assert done.stdout.count("serverside-applied") == len(manifests)
    assert done.stderr == ""


def test_the_definitions_of_a_render_are_admitted(control_plane: ControlPlane) -> None:
    manifests = [m for m in render() if m["kind"] == "CustomResourceDefinition"]
    arguments = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    assert control_plane.kubectl(*arguments, stdin=as_list(manifests)).stdout.count("serverside-applied") == 2


def test_the_check_can_fail(control_plane: ControlPlane, restricted: str) -> None:
    (deployment,) = [json.loads(json.dumps(m)) for m in render(namespace=restricted) if m["kind"] == "Pod"]
    deployment["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    done = control_plane.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=as_list([deployment]), check=False)
    assert "allowPrivilegeEscalation != false" in done.stderr
