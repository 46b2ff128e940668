"""Why a Pod is not ready, in words that do not change while the cause does not.

The kubelet's own texts alternate (ErrImagePull, ImagePullBackOff, CrashLoopBackOff, terminated, running, with growing back-off times in
them). Repeating them would rewrite the status several times a minute and tell nothing new, so causes are recognised and worded here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from mcp_operator.kinds import Manifest
from mcp_optimizer_api.status import Reason

from .finding import Finding

PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"})
CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull: )?')
_MISSING = re.compile(r"(secret|configmap) \"([^\"]+)\" not found|couldn't find key (\S+) in (Secret|ConfigMap) (\S+)", re.IGNORECASE)
_CRASHES = 2
"""From the second restart on it is a loop, in whatever phase of it we look."""


def pod_problem(pods: Iterable[Manifest]) -> Finding | None:
    """The most telling problem among Pods that are not ready; the newest Pods are asked first."""
    suspects = sorted((pod for pod in pods if not ready(pod) and not _leaving(pod)), key=_age, reverse=True)
    for check in _CHECKS:
        for pod in suspects:
            finding = check(pod)
            if finding is not None:
                return finding
    return None


def ready(pod: Manifest) -> bool:
    """Whether the Pod's Ready condition holds."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in _status(pod).get("conditions") or ())


def relevant(pod: Manifest) -> object:
    """What of a Pod matters to its owner: events that change nothing of it are not worth a reconciliation."""
    metadata, status = pod["metadata"], _status(pod)
    containers = [
        (c.get("ready"), c.get("restartCount"), sorted((c.get("state") or {}).items(), key=str))
        for c in status.get("containerStatuses") or ()
    ]
    found = [(c["type"], c["status"], c.get("reason")) for c in status.get("conditions") or ()]
    return (metadata.get("deletionTimestamp"), status.get("phase"), status.get("podIP"), found, containers, metadata.get("labels"))


def _image(pod: Manifest) -> Finding | None:
    for container in _containers(pod):
        waiting = _waiting(container)
        if waiting.get("reason") in PULL:
            cause = _BACK_OFF.sub("", waiting.get("message") or "").strip()
            text = f"Image {container.get('image')} cannot be pulled: check its name, the registry and imagePullSecrets"
            return Finding(False, Reason.IMAGE_PULL_FAILED, f"{text}. {_short(cause)}".rstrip(". ") + ".")
    return None


def _config(pod: Manifest) -> Finding | None:
    for container in _containers(pod):
        waiting = _waiting(container)
        if waiting.get("reason") not in CONFIG:
            continue
        message = waiting.get("message") or waiting["reason"]
        missing = _MISSING.search(message)
        if missing:
            return Finding(False, Reason.SECRET_NOT_FOUND, _missing(missing))
        return Finding(False, Reason.CONTAINER_CONFIG_ERROR, f"The kubelet refuses to start the container: {_short(message)}.")
    return None


def _missing(match: "re.Match[str]") -> str:
    kind, name, key, keyed_kind, holder = match.groups()
    if name:
        kind = {"secret": "Secret", "configmap": "ConfigMap"}[kind.lower()]
        return f"{kind} {name} does not exist: create it, or correct spec.env."
    return f"{keyed_kind} {holder} has no key {key}: add it, or correct spec.env."


def _crash(pod: Manifest) -> Finding | None:
    for container in _containers(pod):
        last = (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated")
        looping = _waiting(container).get("reason") == "CrashLoopBackOff" or container.get("restartCount", 0) >= _CRASHES
        if not looping or container.get("ready"):
            continue
        if last and last.get("reason") == "OOMKilled":
            message = "The container exceeds its memory limit and is killed: raise spec.resources.limits.memory."
        else:
            code = f" with exit code {last['exitCode']}" if last else ""
            message = f"The container ends{code} again and again: see kubectl logs {pod['metadata']['name']} --previous."
        return Finding(False, Reason.CRASH_LOOP, message)
    return None


def _unschedulable(pod: Manifest) -> Finding | None:
    for condition in _status(pod).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False" and condition.get("reason") == "Unschedulable":
            return Finding(False, Reason.UNSCHEDULABLE, f"No node has room for a Pod: {_short(condition.get('message') or '')}.")
    return None


_CHECKS: Sequence[Callable[[Manifest], Finding | None]] = (_image, _config, _crash, _unschedulable)


def _status(pod: Manifest) -> Manifest:
    return pod.get("status") or {}


def _containers(pod: Manifest) -> Iterator[Manifest]:
    status = _status(pod)
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _waiting(container: Manifest) -> Manifest:
    return (container.get("state") or {}).get("waiting") or {}


def _leaving(pod: Manifest) -> bool:
    return pod["metadata"].get("deletionTimestamp") is not None


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]


def _short(text: str, limit: int = 300) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"
