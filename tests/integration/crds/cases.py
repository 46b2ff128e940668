"""What the accept and reject tables share."""

import json
from typing import Any

from kubernetes.client.exceptions import ApiException

from mcp_optimizer_api.names import API_VERSION
from tests.integration.control_plane import ControlPlane

Spec = dict[str, Any]
REFUSALS = (400, 422)


def manifest(kind: str, spec: Spec | None, name: str = "case") -> dict[str, Any]:
    """A resource; without `spec` when None."""
    body: dict[str, Any] = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}}
    return body if spec is None else {**body, "spec": spec}


def refusal(plane: ControlPlane, namespace: str, body: dict[str, Any]) -> str:
    """The API server's message for a manifest that must not be accepted."""
    try:
        plane.create(namespace, body, dry_run=True)
    except ApiException as error:
        assert error.status in REFUSALS, error.body
        return str(json.loads(error.body)["message"])
    raise AssertionError(f"accepted: {json.dumps(body)}")
