"""One control plane for the whole session, with our CRDs; one namespace per test. A control plane that ran before is left running."""

import json
import os
import secrets
from collections.abc import Iterator

import pytest

from tests.integration.control_plane import CHECKOUT, ControlPlane, devcluster

WHERE = ("--control-plane-only", "--name", os.environ.get("MCP_CONTROL_PLANE", "control-plane"))
"""Two test runs of one checkout at a time need two names (scripts/test.sh)."""


@pytest.fixture(scope="session")
def bare_control_plane() -> Iterator[ControlPlane]:
    """A control plane, without anything of ours in it unless an earlier session left it."""
    was_running = "stopped" not in devcluster("status", *WHERE)
    plane = ControlPlane(CHECKOUT / devcluster("up", *WHERE).splitlines()[-1])
    yield plane
    plane.api.close()
    if not was_running:
        devcluster("down", *WHERE)


@pytest.fixture(scope="session")
def control_plane(bare_control_plane: ControlPlane) -> ControlPlane:
    """A control plane that serves our resources."""
    bare_control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHECKOUT / "crds"))
    bare_control_plane.kubectl("wait", "--for=condition=Established", "--timeout=180s", "-f", str(CHECKOUT / "crds"))
    return bare_control_plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of this test's own, with Pod Security `restricted` enforced."""
    name = f"it-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
