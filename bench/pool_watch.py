"""What the cluster says about the sandbox Pods of one MCPOptimizer while jobs run: a `kubectl get --watch` that is read in a thread."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripts.stack.shell import tool

from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SANDBOX, OPTIMIZER_LABEL

PATIENCE_SECONDS = 120.0
ENDED = ("Succeeded", "Failed")


class PoolWatch:
    """Which Pods are warm, and when each became so."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._warm: set[str] = set()
        self._first_warm: dict[str, float] = {}
        self._starting: set[str] = set()

    def known(self) -> set[str]:
        """Every Pod that was warm at some time."""
        with self._changed:
            return set(self._first_warm)

    def warm(self) -> set[str]:
        """Pods that are warm now."""
        with self._changed:
            return set(self._warm)

    def wait_until_still(self, seconds: float = 2.0) -> None:
        """Until no Pod is starting and none has changed for so long: everything that was under way is done."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            # Silence alone tells little: a Pod under gVisor starts for more than a second without a word.
            while self._changed.wait(seconds) or self._starting:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the sandbox Pods did not come to rest within {PATIENCE_SECONDS:.0f} s")

    def wait_for_warm(self, count: int) -> None:
        """Until so many are warm."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._warm) >= count, PATIENCE_SECONDS):
                raise RuntimeError(
                    f"{len(self._warm)} of {count} sandbox Pods warm after {PATIENCE_SECONDS:.0f} s: is the operator running?"
                )

    def wait_for_new(self, known: set[str]) -> float:
        """When the first Pod that is not `known` became warm (time.monotonic)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._first_warm.keys() - known, PATIENCE_SECONDS):
                raise RuntimeError(f"no new sandbox Pod after {PATIENCE_SECONDS:.0f} s: is the operator running?")
            return min(at for name, at in self._first_warm.items() if name not in known)

    def take_in(self, event: dict[str, Any]) -> None:
        """One event of the watch."""
        pod = event["object"]
        name, conditions = pod["metadata"]["name"], pod.get("status", {}).get("conditions", [])
        ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
        going = event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]
        warm = ready and not going
        ended = going or pod.get("status", {}).get("phase") in ENDED
        with self._changed:
            (self._warm.add if warm else self._warm.discard)(name)
            if warm:
                self._first_warm.setdefault(name, time.monotonic())
            (self._starting.discard if ended or name in self._first_warm else self._starting.add)(name)
            self._changed.notify_all()


@contextmanager
def watched_pool(kubeconfig: str, namespace: str, optimizer: str) -> Iterator[PoolWatch]:
    """Follow the pool while the context is open."""
    selector = f"{COMPONENT_LABEL}={COMPONENT_SANDBOX},{OPTIMIZER_LABEL}={optimizer}"
    words = [tool("kubectl"), "--kubeconfig", kubeconfig, "-n", namespace, "get", "pods", "-l", selector]
    process = subprocess.Popen([*words, "--watch", "--output-watch-events", "-o", "json"], stdout=subprocess.PIPE, text=True)
    watch = PoolWatch()
    thread = threading.Thread(target=_read, args=(process, watch), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        process.terminate()
        process.wait(10)
        thread.join(10)


def _read(process: "subprocess.Popen[str]", watch: PoolWatch) -> None:
    """One event a line."""
    assert process.stdout is not None
    for line in process.stdout:
        watch.take_in(json.loads(line))
