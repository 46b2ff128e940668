"""Names, labels and ports that more than one room relies on."""

import hashlib
from typing import Final

GROUP: Final = "mcp.optimizer.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
NAME_LABEL: Final = "app.kubernetes.io/name"
MANAGED_BY: Final = "mcp-operator"
OPTIMIZER_LABEL: Final = f"{GROUP}/optimizer"
SERVER_LABEL: Final = f"{GROUP}/server"
COMPONENT_LABEL: Final = f"{GROUP}/component"
"""One of COMPONENT_SERVER, COMPONENT_SANDBOX, COMPONENT_UPSTREAM."""
COMPONENT_SERVER: Final = "server"
COMPONENT_SANDBOX: Final = "sandbox"
COMPONENT_UPSTREAM: Final = "upstream"
TEMPLATE_HASH_ANNOTATION: Final = f"{GROUP}/template-hash"

MCP_PORT: Final = 8080
MANAGEMENT_PORT: Final = 8081
JOB_PORT: Final = 8765
JOB_HEALTH_PORT: Final = 8766
SERVICE_PORT: Final = 80
MCP_PATH: Final = "/mcp"

CONFIG_KEY: Final = "config.json"
"""Key of the rendered `ServerConfig` in the ConfigMap."""
SANDBOX_KEYS_SECRET: Final = "mcp-sandbox-keys"
"""One Secret per namespace, one data entry per MCPOptimizer: a constant name lets RBAC name it and the operator watch nothing else."""

MAX_NAME: Final = 63


def child_name(base: str, suffix: str, limit: int = MAX_NAME) -> str:
    """`base + suffix`, shortened with a hash of `base` when longer than `limit` characters.

    Deterministic: the same base always gives the same name, and two long bases that share a prefix differ in the hash.
    """
    if len(base) + len(suffix) <= limit:
        return base + suffix
    digest = hashlib.sha256(base.encode()).hexdigest()[:8]
    kept = base[: limit - len(suffix) - len(digest) - 1].rstrip("-")
    return f"{kept}-{digest}{suffix}"


def optimizer_child(name: str) -> str:
    """Name of everything that belongs to the server Pods of the MCPOptimizer `name`."""
    return child_name(name, "-optimizer")


def optimizer_config_map(name: str) -> str:
    """Name of the ConfigMap with the rendered config of the MCPOptimizer `name`."""
    return child_name(name, "-optimizer-config")


def sandbox_policy(name: str) -> str:
    """Name of the NetworkPolicy around the sandboxes of the MCPOptimizer `name`."""
    return child_name(name, "-optimizer-sandbox")


def sandbox_pod_prefix(name: str) -> str:
    """Prefix of sandbox Pod names of the MCPOptimizer `name`; a random suffix of 8 characters follows."""
    return child_name(name, "-sandbox-", MAX_NAME - 8)


def server_child(name: str) -> str:
    """Name of everything that belongs to the Pods of the MCPServer `name`."""
    return child_name(name, "-mcp")
