"""A sandbox Pod as the API server shows it, reduced to what a claim needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_optimizer_api.names import JOB_PORT, TEMPLATE_HASH_ANNOTATION

DIGEST_VARIABLE = "MCP_SANDBOX_TOKEN_SHA256"
EGRESS_VARIABLE = "MCP_SANDBOX_EGRESS"
MAX_HASH = 64
DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class SandboxPod:
    """One Pod. `warm`: Ready, not going away, with an address; the agent in it has the last word."""

    name: str
    uid: str
    ip: str
    port: int
    owner_uid: str
    token_digest: str
    """What its operator wrote into it: only a Pod made with our pool's key has the right one for its name."""
    template: str
    """Hash of everything that it has in common with the other Pods made like it; empty where nobody wrote one."""
    runtime_class: str
    egress_unchecked: bool
    warm: bool
    end: str
    """Why it ended or is ending, for people; empty while it lives."""


def parse(manifest: Mapping[str, Any]) -> SandboxPod | None:
    """The Pod, or None for something that has no identity."""
    metadata, status = (mapping(manifest.get(part)) for part in ("metadata", "status"))
    name, uid = metadata.get("name"), metadata.get("uid")
    if not isinstance(name, str) or not isinstance(uid, str):
        return None
    owner = next((mapping(owner) for owner in _list(metadata.get("ownerReferences")) if mapping(owner).get("controller")), {})
    container = _container(manifest)
    end = _end(metadata, status)
    ip = str(status.get("podIP") or "")
    return SandboxPod(
        name=name,
        uid=uid,
        ip=ip,
        port=port_of(manifest, "job", JOB_PORT),
        owner_uid=str(owner.get("uid", "")),
        token_digest=_variable(container, DIGEST_VARIABLE),
        template=str(mapping(metadata.get("annotations")).get(TEMPLATE_HASH_ANNOTATION) or "")[:MAX_HASH],
        runtime_class=str(mapping(manifest.get("spec")).get("runtimeClassName") or ""),
        egress_unchecked=_variable(container, EGRESS_VARIABLE) == "unchecked",
        warm=bool(ip) and not end and is_ready(status),
        end=end,
    )


def is_ready(status: Mapping[str, Any]) -> bool:
    """Whether the kubelet says that a Pod is ready."""
    conditions = (mapping(condition) for condition in _list(status.get("conditions")))
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _end(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    if status.get("reason"):
        return str(status["reason"])
    for container in _list(status.get("containerStatuses")):
        terminated = mapping(mapping(mapping(container).get("state")).get("terminated"))
        if terminated:
            return f"{terminated.get('reason', 'Terminated')}, exit code {terminated.get('exitCode')}"
    if status.get("phase") in ("Succeeded", "Failed"):
        return str(status["phase"])
    return DELETED if metadata.get("deletionTimestamp") else ""


def port_of(manifest: Mapping[str, Any], name: str, default: int) -> int:
    """The port of this name in the Pod's first container."""
    for port in _list(_container(manifest).get("ports")):
        if mapping(port).get("name") == name:
            return int(mapping(port).get("containerPort") or default)
    return default


def _container(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(next(iter(_list(mapping(manifest.get("spec")).get("containers"))), None))


def _variable(container: Mapping[str, Any], name: str) -> str:
    for variable in _list(container.get("env")):
        if mapping(variable).get("name") == name:
            return str(mapping(variable).get("value") or "")
    return ""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
