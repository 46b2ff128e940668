"""The kinds the operator touches, and the addresses of their objects on the API server."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from mcp_optimizer_api.names import GROUP, MANAGED_BY, MANAGED_BY_LABEL, SANDBOX_KEYS_SECRET, VERSION

Manifest: TypeAlias = dict[str, Any]
"""An object of the Kubernetes API as plain JSON."""


class Key(NamedTuple):
    """Identity of one object: what queues, caches and logs speak of."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, where it lives in the API, and which of its objects concern us."""

    kind: str
    group: str
    version: str
    plural: str
    label_selector: str | None = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
    field_selector: str | None = None

    @property
    def api_version(self) -> str:
        """`apiVersion` of its manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection, of an object, or of an object's subresource."""
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


MCP_OPTIMIZER = Kind("MCPOptimizer", GROUP, VERSION, "mcpoptimizers", label_selector=None)
MCP_SERVER = Kind("MCPServer", GROUP, VERSION, "mcpservers", label_selector=None)
RESOURCES: tuple[Kind, ...] = (MCP_OPTIMIZER, MCP_SERVER)
"""The custom resources: what users write."""

DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments")
SERVICE = Kind("Service", "", "v1", "services")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps")
SERVICE_ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts")
ROLE = Kind("Role", "rbac.authorization.k8s.io", "v1", "roles")
ROLE_BINDING = Kind("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
HPA = Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
PDB = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
POD = Kind("Pod", "", "v1", "pods")
SECRET = Kind("Secret", "", "v1", "secrets", label_selector=None, field_selector=f"metadata.name={SANDBOX_KEYS_SECRET}")
EVENT = Kind("Event", "events.k8s.io", "v1", "events")
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")

APPLIED: tuple[Kind, ...] = (
    SECRET,
    SERVICE_ACCOUNT,
    ROLE,
    ROLE_BINDING,
    CONFIG_MAP,
    NETWORK_POLICY,
    SERVICE,
    PDB,
    HPA,
    DEPLOYMENT,
)
"""Children in the order they are applied: what a Pod needs, and what guards it, comes before the Pod."""
CHILDREN: tuple[Kind, ...] = (*APPLIED, POD)
WATCHED: tuple[Kind, ...] = (*RESOURCES, *CHILDREN)
BY_NAME: dict[str, Kind] = {kind.kind: kind for kind in (*WATCHED, LEASE)}


def key_of(manifest: Manifest) -> Key:
    """Identity of a manifest or live object."""
    metadata = manifest["metadata"]
    return Key(manifest["kind"], metadata.get("namespace", ""), metadata["name"])
