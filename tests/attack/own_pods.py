"""The Pods that an attack's target runs its jobs in, whichever target it is."""

import asyncio

from scripts.stack.shell import CommandError, kubectl

from .bare import Bare
from .stage import BARE_NAMESPACE, NAMESPACE
from .vocabulary import Manifest, Target


def namespace_of(target: Target) -> str:
    """Where they are."""
    return BARE_NAMESPACE if isinstance(target, Bare) else NAMESPACE


def pods_of(target: Target) -> list[Manifest]:
    """Those that are there now, with or without an address."""
    if isinstance(target, Bare):
        return [pod for name in target.pods if (pod := target.stage.watch.get(BARE_NAMESPACE, name)) is not None]
    return target.stage.watch.of(NAMESPACE, target.isolation)


def addresses_of(target: Target) -> set[str]:
    """Their addresses."""
    return {ip for pod in pods_of(target) if (ip := pod.get("status", {}).get("podIP"))}


async def logs_of(target: Target) -> str:
    """What their containers have logged; of a Pod that is gone, nothing."""
    names = [pod["metadata"]["name"] for pod in pods_of(target)]
    return "".join(await asyncio.gather(*(asyncio.to_thread(_log, name, namespace_of(target)) for name in names)))


def _log(name: str, namespace: str) -> str:
    try:
        return kubectl("-n", namespace, "logs", name)
    except CommandError:
        return ""
