"""What every sandbox Pod of the cluster looks like now, from one watch: asking per Pod would cost more CPU than the attacks."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from scripts.stack.shell import kubeconfig, tool

from .vocabulary import Manifest

SELECTOR = "mcp.optimizer.dev/component=sandbox"


class PodWatch:
    """`kubectl get --watch` of all sandbox Pods, in a thread."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], Manifest] = {}
        words = ["get", "pods", "--all-namespaces", "-l", SELECTOR, "--watch", "--output-watch-events", "-o", "json"]
        self._process = subprocess.Popen([tool("kubectl"), "--kubeconfig", kubeconfig(), *words], stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def get(self, namespace: str, name: str) -> Manifest | None:
        """The Pod as last seen; None when there is none."""
        return self._pods.get((namespace, name))

    def of(self, namespace: str, optimizer: str) -> list[Manifest]:
        """The Pods of one pool."""
        label = "mcp.optimizer.dev/optimizer"
        return [
            pod for (where, _), pod in list(self._pods.items()) if where == namespace and pod["metadata"]["labels"].get(label) == optimizer
        ]

    def at(self, ip: str) -> Manifest | None:
        """The latest Pod with this address, whether it has ended or not."""
        found = [pod for pod in list(self._pods.values()) if pod.get("status", {}).get("podIP") == ip]
        return max(found, key=lambda pod: pod["metadata"]["creationTimestamp"], default=None)

    def newest(self) -> Manifest:
        """Of all that have an address, the one made last."""
        found = [pod for pod in list(self._pods.values()) if pod.get("status", {}).get("podIP")]
        return max(found, key=lambda pod: pod["metadata"]["creationTimestamp"])

    async def until(self, what: str, check: Callable[[], Any], *, seconds: float = 60) -> Any:
        """The first true answer of `check`; AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (found := check()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            await asyncio.sleep(0.05)
        return found

    def close(self) -> None:
        """End the watch."""
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            metadata = event["object"]["metadata"]
            key = (metadata["namespace"], metadata["name"])
            if event["type"] == "DELETED":
                self._pods.pop(key, None)
            else:
                self._pods[key] = event["object"]


def ready(pod: Manifest) -> bool:
    """Whether its Ready condition is True and it is not going away."""
    conditions = pod.get("status", {}).get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def ended(pod: Manifest | None) -> bool:
    """Whether nothing of it runs any more."""
    return pod is None or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
