"""The embedding endpoint's API key in the server Pods: one entry of one named Secret, as a file.

A mount needs no right to read Secrets, neither of the server nor of the operator; the kubelet renews the file when the Secret changes. It is
optional, because discovery works without: a Secret that is missing must not keep Pods from starting.
"""

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.optimizer import MCPOptimizerSpec

FOLDER = "/var/run/mcp-optimizer/embedding"
_NAME = "embedding-key"


def key_volumes(spec: MCPOptimizerSpec) -> list[Manifest]:
    """The Pod's volume, when there is a key."""
    secret = spec.search.embedding.secret_ref if spec.search.embedding is not None else None
    if secret is None:
        return []
    items = [{"key": secret.key, "path": "key"}]
    return [{"name": _NAME, "secret": {"secretName": secret.name, "defaultMode": 0o444, "items": items, "optional": True}}]


def key_mounts(spec: MCPOptimizerSpec) -> list[Manifest]:
    """Where the container sees it."""
    return [{"name": _NAME, "mountPath": FOLDER, "readOnly": True} for _ in key_volumes(spec)]


def key_environment(spec: MCPOptimizerSpec) -> list[Manifest]:
    """How the process knows."""
    return [{"name": "MCP_EMBEDDING_KEY_FILE", "value": f"{FOLDER}/key"} for _ in key_volumes(spec)]
