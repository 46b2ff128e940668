"""What every child has in common: identity, labels, and the reference to its owner.

Nothing is ever copied from the owner's own labels and annotations: the tracking labels of Argo CD and Flux would make those tools
delete our children, and kubectl's last-applied annotation would describe another object.
"""

from dataclasses import dataclass

from mcp_operator.kinds import MCP_OPTIMIZER, MCP_SERVER, Key, Kind, Manifest
from mcp_optimizer_api.names import (
    API_VERSION,
    COMPONENT_LABEL,
    COMPONENT_SERVER,
    COMPONENT_UPSTREAM,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    OPTIMIZER_LABEL,
    SERVER_LABEL,
    optimizer_child,
    server_child,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The custom resource that a child belongs to."""

    key: Key
    uid: str
    created: str = ""
    """metadata.creationTimestamp"""

    @property
    def name(self) -> str:
        """Its name."""
        return self.key.name

    @property
    def namespace(self) -> str:
        """Its namespace, and so that of all its children."""
        return self.key.namespace

    @property
    def child_name(self) -> str:
        """Name of its main children: Deployment, Service, and what belongs to them."""
        return optimizer_child(self.name) if self.key.kind == MCP_OPTIMIZER.kind else server_child(self.name)

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select its Pods, for ever: a Deployment's selector cannot be changed."""
        if self.key.kind == MCP_OPTIMIZER.kind:
            return {COMPONENT_LABEL: COMPONENT_SERVER, OPTIMIZER_LABEL: self.name}
        return {COMPONENT_LABEL: COMPONENT_UPSTREAM, SERVER_LABEL: self.name}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its children, its Pods included."""
        name = "mcp-server" if self.key.kind == MCP_SERVER.kind else "mcp-optimizer"
        return {MANAGED_BY_LABEL: MANAGED_BY, NAME_LABEL: name, **self.selector}


def child(kind: Kind, owner: Owner, *, name: str | None = None, **content: object) -> Manifest:
    """A manifest of `kind`, owned by `owner`; `content` is everything beside the metadata."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name or owner.child_name,
            "namespace": owner.namespace,
            "labels": owner.labels,
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": owner.key.kind, "name": owner.name, "uid": owner.uid, "controller": True}
            ],
        },
        **content,
    }
