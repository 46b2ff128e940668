"""The Pod template of server Pods and of MCPServer images: what both share so that Pod Security `restricted` admits them."""

from collections.abc import Mapping, Sequence

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.pods import LocalReference, Resources

from .child import Owner

DRAIN_SECONDS = 5
"""Between a Pod's removal from its Service and SIGTERM: endpoints take a moment to reach every node."""
UPSTREAM_GRACE_SECONDS = 30
"""For somebody else's image, which may not listen to SIGTERM at all. Our own server has grace.py."""

DEFAULT_RESOURCES: Manifest = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def pod_template(
    owner: Owner,
    container: Manifest,
    *,
    grace: int,
    service_account: str | None = None,
    volumes: Sequence[Manifest] = (),
    pull_secrets: Sequence[LocalReference] = (),
    run_as_user: int | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Pod template around one container. Without a service account of its own the Pod is somebody else's, and gets no token at all."""
    security: Manifest = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if run_as_user is not None:
        security["runAsUser"] = run_as_user
    spec: Manifest = {
        "automountServiceAccountToken": service_account is not None,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": security,
        "containers": [container],
        "topologySpreadConstraints": [_spread(owner, "kubernetes.io/hostname"), _spread(owner, "topology.kubernetes.io/zone")],
    }
    if service_account is not None:
        spec["serviceAccountName"] = service_account
    if volumes:
        spec["volumes"] = list(volumes)
    if pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret.name} for secret in pull_secrets]
    metadata: Manifest = {"labels": owner.labels}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": spec}


def hardened(*, read_only_root: bool) -> Manifest:
    """The container's security context."""
    context: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if read_only_root:
        context["readOnlyRootFilesystem"] = True
    return context


def drain() -> Manifest:
    """Keep serving while the endpoints still name this Pod."""
    return {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}}


def resources(wanted: Resources | None) -> Manifest:
    """The container's resources."""
    if wanted is None:
        return DEFAULT_RESOURCES
    return wanted.model_dump(by_alias=True, exclude_none=True)


def _spread(owner: Owner, topology: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": owner.selector},
    }
