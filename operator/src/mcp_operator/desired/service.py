"""The Services: one address for the server Pods, and one per MCPServer image."""

from mcp_operator.kinds import SERVICE, Manifest
from mcp_optimizer_api.names import MCP_PATH, SERVICE_PORT

from .child import Owner, child


def service(owner: Owner, *, sticky: bool) -> Manifest:
    """Port 80 to the container port named `mcp`. Sticky for upstreams: a session of a stateful server stays with its Pod."""
    return child(
        SERVICE,
        owner,
        spec={
            "type": "ClusterIP",
            "selector": owner.selector,
            "sessionAffinity": "ClientIP" if sticky else "None",
            "ports": [{"name": "mcp", "port": SERVICE_PORT, "targetPort": "mcp", "protocol": "TCP", "appProtocol": "http"}],
        },
    )


def service_url(owner: Owner, path: str = MCP_PATH) -> str:
    """URL of the MCP endpoint behind the Service, from anywhere in the cluster."""
    return f"http://{owner.child_name}.{owner.namespace}.svc{path}"
