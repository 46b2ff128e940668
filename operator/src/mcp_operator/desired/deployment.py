"""The Deployments: server Pods of an MCPOptimizer, and Pods of an MCPServer's image.

With autoscaling, `spec.replicas` is not part of the manifest: exactly one writer may own it, and that is the autoscaler. The initial
number is given once, at creation (`initial_replicas`, used by apply.py).
"""

from mcp_operator.kinds import DEPLOYMENT, Manifest
from mcp_operator.settings import Settings
from mcp_optimizer_api.names import (
    GROUP,
    MANAGEMENT_PORT,
    MCP_PORT,
    SANDBOX_KEYS_SECRET,
    optimizer_config_map,
)
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.pods import Autoscaling, EnvVar
from mcp_optimizer_api.server import MCPServerSpec

from .child import Owner, child
from .embedding_key import key_environment, key_mounts, key_volumes
from .pod import DRAIN_SECONDS, UPSTREAM_GRACE_SECONDS, drain, hardened, pod_template, resources

KEY_PATH = "/var/run/mcp-optimizer/sandbox"
PROGRESS_SECONDS = 600
ACCOUNT_ANNOTATION = f"{GROUP}/service-account-uid"


def initial_replicas(replicas: int, autoscaling: Autoscaling) -> int:
    """Number of Pods to start with: within the autoscaler's bounds when there is one."""
    if not autoscaling.enabled:
        return replicas
    return min(max(replicas, autoscaling.min_replicas), autoscaling.max_replicas)


def optimizer_deployment(owner: Owner, spec: MCPOptimizerSpec, settings: Settings, account_uid: str, grace: int) -> Manifest:
    """The server Pods. The config is not part of the template: the Pods watch it, and no change of it restarts one, but for `grace`,
    the seconds that calls may need to end (grace.py).

    The UID of their ServiceAccount is: a token is bound to it, so Pods that started under an account which was deleted and made again
    are locked out of the API server for as long as they live.
    """
    template = pod_template(
        owner,
        _server_container(owner, spec, settings, grace),
        grace=grace,
        service_account=owner.child_name,
        annotations={ACCOUNT_ANNOTATION: account_uid},
        volumes=[
            {
                "name": "sandbox-key",
                "secret": {
                    "secretName": SANDBOX_KEYS_SECRET,
                    "defaultMode": 0o444,
                    "items": [{"key": owner.name, "path": "key"}],
                },
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            *key_volumes(spec),
        ],
        pull_secrets=spec.image_pull_secrets,
    )
    return _deployment(owner, template, spec.replicas, spec.autoscaling)


def server_deployment(owner: Owner, spec: MCPServerSpec) -> Manifest:
    """The Pods of an image that somebody else wrote: as locked up as `restricted` asks, and no further, or images would break."""
    container: Manifest = {
        "name": "server",
        "image": spec.image,
        "ports": [{"name": "mcp", "containerPort": spec.port, "protocol": "TCP"}],
        "resources": resources(spec.resources),
        "securityContext": hardened(read_only_root=False),
        "lifecycle": drain(),
        # A slow starter has two minutes; afterwards a hanging one is restarted after a minute.
        "startupProbe": {"tcpSocket": {"port": spec.port}, "periodSeconds": 1, "failureThreshold": 120, "timeoutSeconds": 1},
        "readinessProbe": {"tcpSocket": {"port": spec.port}, "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {"tcpSocket": {"port": spec.port}, "periodSeconds": 20, "failureThreshold": 3, "timeoutSeconds": 5},
    }
    if spec.command:
        container["command"] = list(spec.command)
    if spec.args:
        container["args"] = list(spec.args)
    if spec.env:
        container["env"] = [_env(variable) for variable in spec.env]
    template = pod_template(
        owner, container, grace=UPSTREAM_GRACE_SECONDS, pull_secrets=spec.image_pull_secrets, run_as_user=spec.run_as_user
    )
    return _deployment(owner, template, spec.replicas, spec.autoscaling)


def _server_container(owner: Owner, spec: MCPOptimizerSpec, settings: Settings, grace: int) -> Manifest:
    return {
        "name": "server",
        "image": settings.server_image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": [
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "MCP_CONFIG", "value": f"configmap:{optimizer_config_map(owner.name)}"},
            {"name": "MCP_SANDBOX_KEY_FILE", "value": f"{KEY_PATH}/key"},
            {"name": "MCP_PORT", "value": str(MCP_PORT)},
            {"name": "MCP_MANAGEMENT_PORT", "value": str(MANAGEMENT_PORT)},
            # What is left when SIGTERM comes: the kubelet counts the preStop hook.
            {"name": "MCP_GRACE_SECONDS", "value": str(grace - DRAIN_SECONDS)},
            *key_environment(spec),
        ],
        "ports": [
            {"name": "mcp", "containerPort": MCP_PORT, "protocol": "TCP"},
            {"name": "management", "containerPort": MANAGEMENT_PORT, "protocol": "TCP"},
        ],
        "resources": resources(spec.resources),
        "securityContext": hardened(read_only_root=True),
        "lifecycle": drain(),
        "startupProbe": _probe("/livez", period=1, failures=60),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "volumeMounts": [
            {"name": "sandbox-key", "mountPath": KEY_PATH, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            *key_mounts(spec),
        ],
    }


def _deployment(owner: Owner, template: Manifest, replicas: int, autoscaling: Autoscaling) -> Manifest:
    spec: Manifest = {
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": PROGRESS_SECONDS,
        "selector": {"matchLabels": owner.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": template,
    }
    if not autoscaling.enabled:
        spec["replicas"] = replicas
    return child(DEPLOYMENT, owner, spec=spec)


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "management"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 2,
    }


def _env(variable: EnvVar) -> Manifest:
    return variable.model_dump(by_alias=True, exclude_none=True)
