"""`bench.job_client` as a process: here when an endpoint was named, else in a Pod inside the cluster."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.stack import install
from scripts.stack.shell import kubectl, tool

from bench import job_client
from mcp_optimizer_api.names import optimizer_child

CLIENT = "bench-client"


@dataclass(frozen=True)
class Target:
    """Where to measure."""

    namespace: str
    optimizer: str
    kubeconfig: str
    audit_log: Path
    endpoint: str | None
    """None: a client Pod inside the cluster, over the optimizer's Service."""

    @property
    def url(self) -> str:
        """The endpoint as the client reaches it."""
        return self.endpoint or f"http://{optimizer_child(self.optimizer)}.{self.namespace}.svc/mcp"


class JobFailed(RuntimeError):
    """A job of a measurement did not succeed."""


class JobClient:
    """Sends jobs, one line at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def send(self, url: str, jobs: Sequence[dict[str, Any]], every: float = 0.0, leave: float = 0.0) -> list[dict[str, Any]]:
        """What became of each job: `ms`, `ok`, `text`; with `leave`, when its client left: `left`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"url": url, "jobs": list(jobs), "every": every, "leave": leave}) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise JobFailed("the client ended")
        return list(json.loads(answer))

    def times(self, url: str, jobs: Sequence[dict[str, Any]]) -> list[float]:
        """Milliseconds of each job; JobFailed when one did not succeed."""
        answers = self.send(url, jobs)
        for answer in answers:
            if not answer["ok"]:
                raise JobFailed(f"a job failed: {answer['text'][:500]}")
        return [float(answer["ms"]) for answer in answers]


@contextmanager
def job_client_of(target: Target) -> Iterator[JobClient]:
    """A client while the context is open."""
    command = [sys.executable, "-u", "-c", _source()] if target.endpoint is not None else _in_a_pod(target)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield JobClient(process)
    finally:
        process.terminate()
        process.wait(10)
        if target.endpoint is None:
            kubectl("-n", target.namespace, "delete", "pod", CLIENT, "--ignore-not-found", "--grace-period=1", "--wait=false")


def _source() -> str:
    return Path(job_client.__file__).read_text()


def _in_a_pod(target: Target) -> list[str]:
    _client_pod(target)
    prefix = [tool("kubectl"), "--kubeconfig", target.kubeconfig, "-n", target.namespace, "exec", "-i", CLIENT, "--"]
    return [*prefix, "python", "-u", "-c", _source()]


def _client_pod(target: Target) -> None:
    """A Pod with Python in it: the image of the optimizer's own server is on the node already."""
    words = ["-n", target.namespace, "get", "deployment", optimizer_child(target.optimizer)]
    image = kubectl(*words, "-o", "jsonpath={.spec.template.spec.containers[0].image}").strip()
    container = {
        "name": "client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "import time; time.sleep(86400)"],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "restartPolicy": "Never", "securityContext": security, "automountServiceAccountToken": False}
    kubectl("-n", target.namespace, "delete", "pod", CLIENT, "--ignore-not-found", "--grace-period=1")
    install.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec}], target.namespace)
    kubectl("-n", target.namespace, "wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s")
