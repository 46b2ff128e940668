"""What the enforcer knows of the cluster: the few fields of Pods, Namespaces and NetworkPolicies that decide about traffic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """A Pod with an address of its own."""

    namespace: str
    name: str
    ip: str
    labels: Mapping[str, str] = field(default_factory=dict)
    # (protocol, port name) -> number
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment."""

    pods: tuple[Pod, ...] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    policies: tuple[Manifest, ...] = ()


def pod_of(manifest: Manifest) -> Pod | None:
    """The Pod behind a manifest; None while it has no address, when it shares the node's, and when it has ended (its address may
    belong to another Pod already)."""
    spec, status, meta = manifest["spec"], manifest.get("status", {}), manifest["metadata"]
    ip = status.get("podIP")
    if not ip or spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    ports = {
        (port.get("protocol", "TCP"), port["name"]): int(port["containerPort"])
        for container in containers
        for port in container.get("ports", [])
        if "name" in port
    }
    return Pod(meta["namespace"], meta["name"], ip, meta.get("labels", {}), ports)


def selects(selector: Manifest | None, labels: Mapping[str, str]) -> bool:
    """Does a label selector match? An empty one matches everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_matches(expression, labels) for expression in selector.get("matchExpressions", []))


def _matches(expression: Manifest, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    return key not in labels
