"""An operator as a process against the control plane, and a kubelet that only pretends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.integration.control_plane import ControlPlane

T = TypeVar("T")
USER_AGENT = "mcp-operator/"
CHILDREN = (
    "deployments,services,networkpolicies,horizontalpodautoscalers,poddisruptionbudgets,serviceaccounts,roles,rolebindings,configmaps"
)
LABEL = "app.kubernetes.io/managed-by=mcp-operator"


def until(what: str, probe: Callable[[], T | None], *, seconds: float = 60) -> T:
    """The first true answer of `probe`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}; last answer: {probe()!r}")


class Operator:
    """`python -m mcp_operator` for one namespace, so that tests do not meet."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, **env: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self._folder = folder
        self._runs = 0
        self._env = {
            **os.environ,
            "KUBECONFIG": str(plane.kubeconfig),
            "POD_NAMESPACE": namespace,
            "WATCH_NAMESPACES": namespace,
            "MCP_SERVER_IMAGE": "localhost/server:test",
            "MCP_SANDBOX_IMAGE": "localhost/sandbox:test",
            "LEADER_ELECTION": "false",
            "METRICS_PORT": "0",
            "HEALTH_PORT": "0",
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _log(self) -> Path:
        """One file per start of the process."""
        return self._folder / f"operator-{id(self)}-{self._runs}.log"

    def start(self, *, ready: str = "Listed what exists") -> "Operator":
        """Start and wait for a line of its log."""
        self._runs += 1
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "mcp_operator"], env=self._env, stderr=log, stdout=log)
        until(f"operator logs {ready!r}", lambda: self.says(ready), seconds=30)
        return self

    def says(self, text: str) -> bool:
        """Whether the log of this process contains a text."""
        return text in self.log()

    def log(self) -> str:
        """Everything it logged."""
        return self._log.read_text() if self._log.exists() else ""

    def port(self, name: str) -> int:
        """A port it listens on: metrics_port or health_port."""
        lines = [json.loads(line) for line in self.log().splitlines() if f'"{name}"' in line]
        return int(lines[-1][name])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(timeout=30)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal, and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def writes(self, since: int) -> list[str]:
        """What operators wrote in this namespace from that position of the audit log on; Lease renewals do not count."""
        events = self.plane.writes(since=since, user_agent=USER_AGENT, namespace=self.namespace)
        found = [(event["verb"], event["objectRef"]) for event in events]
        return [
            f"{verb} {ref['resource']}/{ref.get('subresource', '')} {ref.get('name')}" for verb, ref in found if ref["resource"] != "leases"
        ]

    def settle(self, *, quiet: float = 3.0, seconds: float = 60) -> None:
        """Wait until it has written nothing for a while."""
        deadline = time.monotonic() + seconds
        position, since = self.plane.audit_position(), time.monotonic()
        while time.monotonic() - since < quiet:
            assert time.monotonic() < deadline, f"still writing: {self.writes(position)}"
            time.sleep(0.2)
            if self.writes(position):
                position, since = self.plane.audit_position(), time.monotonic()


class Cluster:
    """One namespace of the control plane."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace

    def apply(self, *manifests: dict[str, Any]) -> None:
        """kubectl apply."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.plane.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=body)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object, or None."""
        done = self.plane.kubectl("get", kind, name, "-n", self.namespace, "-o", "json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def list(self, kinds: str, label: str = "") -> list[dict[str, Any]]:
        """Objects."""
        selector = ["-l", label] if label else []
        items: list[dict[str, Any]] = json.loads(self.plane.kubectl("get", kinds, "-n", self.namespace, *selector, "-o", "json").stdout)[
            "items"
        ]
        return items

    def children(self) -> set[str]:
        """Kind/name of every child that is not a Pod."""
        found = {f"{item['kind']}/{item['metadata']['name']}" for item in self.list(CHILDREN + ",secrets", LABEL)}
        return found

    def patch(self, kind: str, name: str, body: object, *, subresource: str = "", how: str = "merge") -> None:
        """kubectl patch."""
        extra = ["--subresource", subresource] if subresource else []
        self.plane.kubectl("patch", kind, name, "-n", self.namespace, "--type", how, *extra, "-p", json.dumps(body))

    def delete(self, *what: str) -> None:
        """kubectl delete, without waiting."""
        self.plane.kubectl("delete", *what, "-n", self.namespace, "--wait=false")

    def condition(self, kind: str, name: str, condition: str) -> dict[str, Any] | None:
        """A condition of an object."""
        found = (self.get(kind, name) or {}).get("status", {}).get("conditions", [])
        return next((item for item in found if item["type"] == condition), None)

    def expect(self, kind: str, name: str, condition: str, status: str, reason: str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait for a condition."""

        def probe() -> dict[str, Any] | None:
            found = self.condition(kind, name, condition)
            return found if found and (found["status"], found["reason"]) == (status, reason) else None

        try:
            return until(f"{name}: {condition}={status} {reason}", probe, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.condition(kind, name, condition)}") from None

    def play_kubelet(self, label: str, **state: Any) -> int:
        """Give all Pods with this label a container state; without one, let them be Ready."""
        pods = [pod for pod in self.list("pods", label) if not pod["metadata"].get("deletionTimestamp")]
        for pod in pods:
            try:
                self.patch("pod", pod["metadata"]["name"], {"status": pod_status(pod, **state)}, subresource="status")
            except RuntimeError as error:
                if "NotFound" not in str(error):  # a rollout may delete a Pod at any moment
                    raise
        return len(pods)


def pod_status(pod: dict[str, Any], **state: Any) -> dict[str, Any]:
    """Status of a Pod whose container is in `state`, or ready."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    container = pod["spec"]["containers"][0]
    up = not state
    return {
        "phase": "Running" if up else "Pending",
        "podIP": "127.0.0.1",
        "conditions": [{"type": kind, "status": str(up), "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": up,
                "started": up,
                "restartCount": state.pop("restartCount", 0),
                "state": state or {"running": {"startedAt": now}},
            }
        ],
    }


def server(name: str = "s", **spec: Any) -> dict[str, Any]:
    """An MCPServer."""
    return {
        "apiVersion": "mcp.optimizer.dev/v1",
        "kind": "MCPServer",
        "metadata": {"name": name},
        "spec": spec or {"image": "example/server:1"},
    }


def optimizer(name: str = "o", **spec: Any) -> dict[str, Any]:
    """An MCPOptimizer without a sandbox pool, unless the spec says otherwise."""
    return {
        "apiVersion": "mcp.optimizer.dev/v1",
        "kind": "MCPOptimizer",
        "metadata": {"name": name},
        "spec": {"sandbox": {"pool": {"min": 0, "max": 0}}, **spec},
    }
