"""A sandbox Pod as the API server shows it, reduced to what a claim needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_optimizer_api.names import JOB_PORT

DIGEST_VARIABLE = "MCP_SANDBOX_TOKEN_SHA256"
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
    warm: bool
    end: str
    """Why it ended or is ending, for people; empty while it lives."""


def parse(manifest: Mapping[str, Any]) -> SandboxPod | None:
    """The Pod, or None for something that has no identity."""
    metadata, spec, status = (_mapping(manifest.get(part)) for part in ("metadata", "spec", "status"))
    name, uid = metadata.get("name"), metadata.get("uid")
    if not isinstance(name, str) or not isinstance(uid, str):
        return None
    owner = next((_mapping(owner) for owner in _list(metadata.get("ownerReferences")) if _mapping(owner).get("controller")), {})
    container = _mapping(next(iter(_list(spec.get("containers"))), None))
    end = _end(metadata, status)
    ip = str(status.get("podIP") or "")
    return SandboxPod(
        name=name,
        uid=uid,
        ip=ip,
        port=_job_port(container),
        owner_uid=str(owner.get("uid", "")),
        token_digest=_variable(container, DIGEST_VARIABLE),
        warm=bool(ip) and not end and _is_ready(status),
        end=end,
    )


def _is_ready(status: Mapping[str, Any]) -> bool:
    conditions = (_mapping(condition) for condition in _list(status.get("conditions")))
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _end(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    if status.get("reason"):
        return str(status["reason"])
    for container in _list(status.get("containerStatuses")):
        terminated = _mapping(_mapping(_mapping(container).get("state")).get("terminated"))
        if terminated:
            return f"{terminated.get('reason', 'Terminated')}, exit code {terminated.get('exitCode')}"
    if status.get("phase") in ("Succeeded", "Failed"):
        return str(status["phase"])
    return DELETED if metadata.get("deletionTimestamp") else ""


def _job_port(container: Mapping[str, Any]) -> int:
    for port in _list(container.get("ports")):
        if _mapping(port).get("name") == "job":
            return int(_mapping(port).get("containerPort") or JOB_PORT)
    return JOB_PORT


def _variable(container: Mapping[str, Any], name: str) -> str:
    for variable in _list(container.get("env")):
        if _mapping(variable).get("name") == name:
            return str(_mapping(variable).get("value") or "")
    return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
