"""Jobs on warm sandbox Pods through the public endpoint of an MCPOptimizer on a cluster, one at a time."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.stack import install, waiting
from scripts.stack.shell import devcluster, kubeconfig, kubectl, step, tool

from bench import job_client
from bench.figures import percentile
from bench.pool_watch import PoolWatch, watched_pool
from mcp_optimizer_api.names import optimizer_child

NAMESPACE, OPTIMIZER = "bench-sandbox", "bench"
POOL = {"min": 3, "max": 8}
CLIENT = "bench-client"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
REHEARSALS = 3


@dataclass(frozen=True)
class Target:
    """Where to measure."""

    namespace: str
    optimizer: str
    kubeconfig: str
    audit_log: Path
    endpoint: str | None
    """None: a client Pod inside the cluster, over the optimizer's Service."""


@dataclass(frozen=True)
class Measured:
    """Of one run."""

    milliseconds: list[float]
    refill_seconds: list[float]
    server_writes: float
    """nan where there is no audit log."""
    all_writes: float


def own_target() -> Target:
    """A cluster with the product and an MCPOptimizer for this benchmark."""
    with step("cluster, images, operator"):
        devcluster("up")
        images = install.build_images()
        install.load_images(images)
        install.install_chart(images)
    with step("an MCPOptimizer with a warm pool"):
        install.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}], NAMESPACE)
        spec = {"sandbox": {"pool": POOL}}
        install.apply(
            [{"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": OPTIMIZER}, "spec": spec}], NAMESPACE
        )
        waiting.ready("mcpo", OPTIMIZER, NAMESPACE)
    return Target(NAMESPACE, OPTIMIZER, kubeconfig(), Path(kubeconfig()).parent / "audit.log", None)


def measure(target: Target, jobs: int, arguments: dict[str, Any]) -> Measured:
    """Run the jobs, each when the pool is as full as it was at the start."""
    with watched_pool(target.kubeconfig, target.namespace, target.optimizer) as pool, _client(target) as client:
        pool.wait_for_warm(1)
        for _ in range(REHEARSALS):
            _one(client, pool, arguments)
        audit_start = target.audit_log.stat().st_size if target.audit_log.exists() else 0
        times: list[float] = []
        refills: list[float] = []
        for number in range(jobs):
            milliseconds, refill = _one(client, pool, arguments)
            times.append(milliseconds)
            refills.append(refill)
            if (number + 1) % 20 == 0:
                print(f"    {number + 1} jobs, p50 {percentile(times, 50):.1f} ms, refill p50 {percentile(refills, 50):.2f} s", flush=True)
    server, everybody = _writes(target, audit_start)
    return Measured(times, refills, server, everybody)


def _one(client: "subprocess.Popen[str]", pool: PoolWatch, arguments: dict[str, Any]) -> tuple[float, float]:
    """One job: its milliseconds, and the seconds from its start until a new Pod was warm."""
    assert client.stdin is not None and client.stdout is not None
    known, started = pool.known(), time.monotonic()
    client.stdin.write(json.dumps(arguments) + "\n")
    client.stdin.flush()
    answer = json.loads(client.stdout.readline() or '{"ok": false, "text": "the client ended"}')
    if not answer["ok"]:
        raise RuntimeError(f"a job failed: {answer['text'][:500]}")
    return float(answer["ms"]), pool.wait_for_new(known) - started


@contextmanager
def _client(target: Target) -> Iterator["subprocess.Popen[str]"]:
    """`bench.job_client`: here when an endpoint was named, else in a Pod of its own."""
    source = Path(job_client.__file__).read_text()
    if target.endpoint is not None:
        command = [sys.executable, "-u", "-c", source, target.endpoint]
    else:
        _client_pod(target)
        url = f"http://{optimizer_child(target.optimizer)}.{target.namespace}.svc/mcp"
        prefix = [tool("kubectl"), "--kubeconfig", target.kubeconfig, "-n", target.namespace, "exec", "-i", CLIENT, "--"]
        command = [*prefix, "python", "-u", "-c", source, url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        if target.endpoint is None:
            kubectl("-n", target.namespace, "delete", "pod", CLIENT, "--ignore-not-found", "--grace-period=1", "--wait=false")


def _client_pod(target: Target) -> None:
    """A Pod with Python in it: the image of the optimizer's own server is on the node already."""
    words = ["-n", target.namespace, "get", "deployment", optimizer_child(target.optimizer)]
    image = kubectl(*words, "-o", "jsonpath={.spec.template.spec.containers[0].image}").strip()
    container = {
        "name": "client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "import time; time.sleep(86400)"],
        "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "restartPolicy": "Never", "securityContext": security, "automountServiceAccountToken": False}
    kubectl("-n", target.namespace, "delete", "pod", CLIENT, "--ignore-not-found", "--grace-period=1")
    install.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec}], target.namespace)
    kubectl("-n", target.namespace, "wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s")


def _writes(target: Target, offset: int) -> tuple[float, float]:
    """API writes since `offset` of the audit log: by the server's ServiceAccount, and by everybody to this namespace's Pods."""
    if not target.audit_log.exists():
        return math.nan, math.nan
    account = f"system:serviceaccount:{target.namespace}:{optimizer_child(target.optimizer)}"
    server = everybody = 0
    with target.audit_log.open("rb") as file:
        file.seek(offset)
        for line in file:
            event = json.loads(line)
            place = event.get("objectRef") or {}
            if event.get("verb") not in WRITES:
                continue
            server += event.get("user", {}).get("username") == account
            everybody += place.get("resource") == "pods" and place.get("namespace") == target.namespace
    return server, everybody
