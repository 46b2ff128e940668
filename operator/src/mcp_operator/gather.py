"""Reads from the cache what a status is computed from."""

from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SANDBOX

from .cache import Cache, controller_uid
from .desired.child import Owner
from .kinds import DEPLOYMENT, HPA, NETWORK_POLICY, POD, Key, Manifest
from .resource import Optimizer, Server
from .status.finding import Finding
from .status.pods import ready
from .status.workload import Workload


def workload(cache: Cache, resource: Optimizer | Server, failure: Finding | None) -> Workload:
    """The Deployment of a resource and what surrounds it."""
    owner = resource.owner
    return Workload(
        replicas=resource.spec.replicas,
        autoscaling=resource.spec.autoscaling,
        deployment=_own(cache, owner, DEPLOYMENT.kind),
        pods=pods(cache, owner),
        hpa=_own(cache, owner, HPA.kind),
        policy=_own(cache, owner, NETWORK_POLICY.kind),
        failure=failure,
    )


def pods(cache: Cache, owner: Owner) -> list[Manifest]:
    """Pods of the resource's Deployment."""
    return [pod for pod in cache.children(owner.key, POD.kind) if _component(pod) != COMPONENT_SANDBOX]


def sandbox_pods(cache: Cache, owner: Owner) -> list[Manifest]:
    """Pods of the resource's sandbox pool."""
    return [pod for pod in cache.children(owner.key, POD.kind) if _component(pod) == COMPONENT_SANDBOX]


def ready_pods(cache: Cache, owner: Owner) -> list[Manifest]:
    """Pods of the resource's Deployment that serve, in the order of their names."""
    return [pod for pod in pods(cache, owner) if ready(pod) and not pod["metadata"].get("deletionTimestamp")]


def _own(cache: Cache, owner: Owner, kind: str) -> Manifest | None:
    found = cache.get(Key(kind, owner.namespace, owner.child_name))
    return found if found is not None and controller_uid(found) == owner.uid else None


def _component(pod: Manifest) -> str:
    return str((pod["metadata"].get("labels") or {}).get(COMPONENT_LABEL))
