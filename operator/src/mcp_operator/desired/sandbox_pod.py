"""One sandbox Pod: the place where code runs that nobody vouches for, so every field here is a wall.

What is deliberately absent is part of the design: no service account token, no Secret, no writable root, no name server, no service
environment, no capability. The Pod gets the digest of its token, never the token. Everything that differs between two Pods of a pool
derives from the Pod's name, so that a pool is interchangeable and its template has one hash.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.job import pod_token, token_digest
from mcp_optimizer_api.names import (
    API_VERSION,
    COMPONENT_LABEL,
    COMPONENT_SANDBOX,
    JOB_HEALTH_PORT,
    JOB_PORT,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME_LABEL,
    OPTIMIZER_LABEL,
    TEMPLATE_HASH_ANNOTATION,
    sandbox_pod_prefix,
)
from mcp_optimizer_api.sandbox import Sandbox

WORKDIR: Final = "/work"
MAX_WARM_SECONDS: Final = 1800
"""Nobody waits for an idle Pod longer than this; the agent ends it, so that no job can be under way when it goes."""
DEADLINE_MARGIN_SECONDS: Final = 60
GRACE_SECONDS: Final = 1
LINGER_SECONDS: Final = "0.75"
"""Together with what the kubelet takes to see the end, less than three periods of the probe: a Pod that is seen to be busy costs a status more."""
TERMINATION_MESSAGE_PATH: Final = "/opt/closed/termination-log"
"""The kubelet puts a file of the node's disk there that everybody may write to, without a limit. In our image nobody but root may enter the
folder; in another one the agent finds the file open and refuses to start."""
_FIRST_UID, _UIDS = 20_000, 40_000


@dataclass(frozen=True, kw_only=True)
class PoolTemplate:
    """What all sandbox Pods of one MCPOptimizer have in common."""

    namespace: str
    optimizer: str
    optimizer_uid: str
    sandbox: Sandbox
    image: str
    """The operator's image where the spec names none."""
    pull_policy: str
    pull_secrets: tuple[str, ...] = ()
    pool_key: bytes

    @property
    def hash(self) -> str:
        """Changes whenever a Pod made now would differ from one made earlier in more than its name (the pool's key included)."""
        document = json.dumps(_manifest(self, ""), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()[:16]

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every Pod; the NetworkPolicy and the server's watch select by them, so they never depend on the spec."""
        return {
            MANAGED_BY_LABEL: MANAGED_BY,
            NAME_LABEL: "mcp-sandbox",
            COMPONENT_LABEL: COMPONENT_SANDBOX,
            OPTIMIZER_LABEL: self.optimizer,
        }


def sandbox_pod(template: PoolTemplate, *, pod_name: str, template_hash: str | None = None) -> Manifest:
    """The Pod `pod_name` of the pool. Give the `template_hash` when it is known already: it costs a serialisation."""
    manifest = _manifest(template, pod_name)
    manifest["metadata"]["annotations"] = {TEMPLATE_HASH_ANNOTATION: template_hash or template.hash}
    return manifest


def sandbox_pod_name(optimizer: str, suffix: str) -> str:
    """Name of a sandbox Pod; `suffix` is eight random lower-case letters and digits."""
    return sandbox_pod_prefix(optimizer) + suffix


def idle_seconds(pod_name: str) -> int:
    """How long this Pod waits for a job before it ends itself: 80 to 100 % of the maximum, so that a pool does not expire at once."""
    return MAX_WARM_SECONDS - _spread(pod_name, "idle", MAX_WARM_SECONDS // 5)


def job_seconds(pod: Manifest) -> int:
    """How long a Pod that was made like this may be busy: the spec may have changed since. 0: it does not say."""
    deadline = pod.get("spec", {}).get("activeDeadlineSeconds")
    return deadline - MAX_WARM_SECONDS - DEADLINE_MARGIN_SECONDS if isinstance(deadline, int) else 0


def user_id(pod_name: str) -> int:
    """A user id of the Pod's own: the kernel counts RLIMIT_NPROC per user of the node, so a shared one would share the process limit."""
    return _FIRST_UID + _spread(pod_name, "uid", _UIDS)


def _spread(pod_name: str, purpose: str, span: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}/{pod_name}".encode()).digest()[:8], "big") % span


def _manifest(template: PoolTemplate, pod_name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name,
            "namespace": template.namespace,
            "labels": template.labels,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "MCPOptimizer",
                    "name": template.optimizer,
                    "uid": template.optimizer_uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": _pod_spec(template, pod_name),
    }


def _pod_spec(template: PoolTemplate, pod_name: str) -> Manifest:
    sandbox = template.sandbox
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostname": "sandbox",
        # The Pod has no egress: a name server that refuses at once fails a lookup in a millisecond instead of after ten seconds.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"], "options": [{"name": "attempts", "value": "1"}, {"name": "timeout", "value": "1"}]},
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "activeDeadlineSeconds": MAX_WARM_SECONDS + sandbox.longest_seconds + DEADLINE_MARGIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user_id(pod_name),
            "runAsGroup": user_id(pod_name),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(template, pod_name)],
        "volumes": [{"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": sandbox.disk_limit}}],
    }
    if sandbox.runtime_class_name is not None:
        spec["runtimeClassName"] = sandbox.runtime_class_name
    if sandbox.priority_class_name is not None:
        spec["priorityClassName"] = sandbox.priority_class_name
    if sandbox.node_selector:
        spec["nodeSelector"] = sandbox.node_selector
    if sandbox.tolerations:
        spec["tolerations"] = [taint.model_dump(by_alias=True, exclude_none=True) for taint in sandbox.tolerations]
    if template.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in template.pull_secrets]
    return spec


def _environment(template: PoolTemplate, pod_name: str) -> list[Manifest]:
    """What the agent is told. Nothing secret: its job may find it."""
    told = {
        "MCP_SANDBOX_POD": pod_name,
        "MCP_SANDBOX_TOKEN_SHA256": token_digest(pod_token(template.pool_key, pod_name)),
        "MCP_SANDBOX_IDLE_SECONDS": str(idle_seconds(pod_name)),
        "MCP_SANDBOX_LINGER_SECONDS": LINGER_SECONDS,
        "MCP_SANDBOX_WORKDIR": WORKDIR,
        "MCP_SANDBOX_TERMINATION_LOG": TERMINATION_MESSAGE_PATH,
        "TMPDIR": WORKDIR,
        "HOME": WORKDIR,
    }
    if template.sandbox.allow_unenforced_egress:
        told["MCP_SANDBOX_EGRESS"] = "unchecked"
    return [{"name": name, "value": value} for name, value in told.items()]


def _container(template: PoolTemplate, pod_name: str) -> Manifest:
    limits = template.sandbox.resources
    return {
        "name": "sandbox",
        "image": template.sandbox.image or template.image,
        "imagePullPolicy": template.pull_policy,
        "env": _environment(template, pod_name),
        "terminationMessagePath": TERMINATION_MESSAGE_PATH,
        "ports": [{"name": "job", "containerPort": JOB_PORT}, {"name": "health", "containerPort": JOB_HEALTH_PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": JOB_HEALTH_PORT},
            "periodSeconds": 1,
            # A claimed agent says so at once. Silence only means that the node is short of processors, and a warm Pod that is taken for a
            # busy one because of that is replaced, which makes the node no less busy.
            "timeoutSeconds": 4,
            # With less, the end of every short job would cost two statuses: not ready any more, and then completed. The agent stays for up to
            # 0.75 s, and the kubelet may take a second to see that it has ended.
            "failureThreshold": 3,
        },
        "resources": {
            "requests": {"cpu": limits.requests.cpu, "memory": limits.requests.memory},
            "limits": {"cpu": limits.cpu, "memory": limits.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "work", "mountPath": WORKDIR}],
    }
