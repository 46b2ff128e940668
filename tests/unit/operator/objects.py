"""Live objects for tests."""

from typing import Any

from mcp_operator.kinds import Manifest
from mcp_operator.settings import Settings

SETTINGS = Settings(namespace="mcp-system", pod_name="operator-0", server_image="server:1", sandbox_image="sandbox:1")
CREATED = "2026-01-01T00:00:00Z"


def resource(kind: str, name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    """A custom resource as the API server would return it."""
    return {
        "apiVersion": "mcp.optimizer.dev/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": CREATED,
            **metadata,
        },
        "spec": spec or {},
    }


def server(name: str = "s", **spec: Any) -> Manifest:
    """An MCPServer with an image, unless the spec says otherwise."""
    return resource("MCPServer", name, spec or {"image": "example/server:1"})


def optimizer(name: str = "o", **spec: Any) -> Manifest:
    """An MCPOptimizer."""
    return resource("MCPOptimizer", name, spec)


def pod(name: str = "p", *, ready: bool = False, labels: dict[str, str] | None = None, **status: Any) -> Manifest:
    """A Pod with a status."""
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels or {}},
        "status": {"conditions": conditions, **status},
    }


def container(*, image: str = "example/server:1", restarts: int = 0, ready: bool = False, **state: Any) -> dict[str, Any]:
    """A containerStatus; `last` is its lastState."""
    last = state.pop("last", {})
    return {"name": "server", "image": image, "ready": ready, "restartCount": restarts, "state": state, "lastState": last}
