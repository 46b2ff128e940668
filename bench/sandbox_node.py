"""What the jobs cost besides time: CPU of the machine, memory of idle Pods, writes to the API server, bytes in its database."""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.stack.shell import get, kubectl

from bench.figures import percentile
from bench.sandbox_client import Target
from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SANDBOX, OPTIMIZER_LABEL, optimizer_child

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
SUMMARY_SECONDS = 30.0
"""The kubelet looks at a Pod every ten seconds: of one that is new it knows nothing yet."""


@dataclass
class CpuShare:
    """How much of the machine was used while something ran: 1.0 is all cores. Of this machine, which is the node of a local cluster."""

    share: float = math.nan
    core_seconds: float = math.nan
    seconds: float = math.nan


@contextmanager
def cpu_share() -> Iterator[CpuShare]:
    """Filled when the context closes."""
    measured, before, started = CpuShare(), _ticks(), time.monotonic()
    yield measured
    busy, total = (after - earlier for after, earlier in zip(_ticks(), before, strict=True))
    measured.share, measured.core_seconds, measured.seconds = busy / max(total, 1), busy / 100, time.monotonic() - started


def _ticks() -> tuple[int, int]:
    """Busy and all clock ticks of all cores so far, from /proc/stat."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def audit_position(target: Target) -> int:
    """Where the audit log ends now; 0 where there is none."""
    return target.audit_log.stat().st_size if target.audit_log.exists() else 0


def writes_since(target: Target, offset: int) -> tuple[float, float]:
    """API writes by the server's ServiceAccount since `offset` of the audit log, and writes by everybody in the life of a Pod whose end came since then.

    The mean of whole lives: a pool that grows meanwhile does not make a job look dearer.
    """
    if not target.audit_log.exists():
        return math.nan, math.nan
    account = f"system:serviceaccount:{target.namespace}:{optimizer_child(target.optimizer)}"
    server, lives, ended = 0, Counter[str](), set[str]()
    for position, event in _writes(target.audit_log):
        place, since = event.get("objectRef") or {}, position >= offset
        server += since and event.get("user", {}).get("username") == account
        name = str(place.get("name", ""))
        if (
            place.get("resource") == "pods"
            and place.get("namespace") == target.namespace
            and name.startswith(f"{target.optimizer}-sandbox-")
        ):
            lives[name] += 1
            if since and event["verb"] == "delete":
                ended.add(name)
    return server, sum(lives[name] for name in ended) / len(ended) if ended else math.nan


def _writes(audit_log: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Position and event of every write."""
    position = 0
    with audit_log.open("rb") as file:
        for line in file:
            event = json.loads(line)
            if event.get("verb") in WRITES:
                yield position, event
            position += len(line)


def database_bytes() -> float:
    """Size of the API server's database; nan where it does not tell."""
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith(("apiserver_storage_size_bytes{", "apiserver_storage_db_total_size_in_bytes{")):
            return float(line.rsplit(" ", 1)[1])
    return math.nan


def idle_pod_megabytes(target: Target) -> float:
    """Median working set of the optimizer's sandbox Pods, everything that runs for them included, from the kubelet's summary."""
    deadline = time.monotonic() + SUMMARY_SECONDS
    while time.monotonic() < deadline:
        pods, sizes = _working_sets(target)
        if len(sizes) == pods:
            break
        time.sleep(1)
    return percentile(sizes, 50)


def _working_sets(target: Target) -> tuple[int, list[float]]:
    """How many Pods there are, and megabytes of those that the kubelet has looked at."""
    selector = f"{COMPONENT_LABEL}={COMPONENT_SANDBOX},{OPTIMIZER_LABEL}={target.optimizer}"
    names = {pod["metadata"]["name"] for pod in get("pods", namespace=target.namespace, selector=selector)}
    sizes = []
    for node in get("nodes"):
        summary = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"))
        for pod in summary["pods"]:
            if pod["podRef"]["name"] in names and pod.get("memory", {}).get("workingSetBytes"):
                sizes.append(pod["memory"]["workingSetBytes"] / 1e6)
    return len(names), sizes


def stage_means(target: Target) -> dict[str, float]:
    """Seconds and count of each stage of the server so far: `stage.sum`, `stage.count`."""
    found: dict[str, float] = {}
    selector = f"{COMPONENT_LABEL}=server,{OPTIMIZER_LABEL}={target.optimizer}"
    for pod in get("pods", namespace=target.namespace, selector=selector):
        path = f"/api/v1/namespaces/{target.namespace}/pods/{pod['metadata']['name']}:8081/proxy/metrics"
        for line in kubectl("get", "--raw", path).splitlines():
            if line.startswith(("mcp_optimizer_stage_seconds_sum{", "mcp_optimizer_stage_seconds_count{")):
                name, value = line.rsplit(" ", 1)
                stage, kind = name.split('stage="')[1].split('"')[0], "sum" if "_sum{" in name else "count"
                key = f"{stage}.{kind}"
                found[key] = found.get(key, 0.0) + float(value)
    return found


def stage_text(before: dict[str, float], after: dict[str, float]) -> str:
    """Milliseconds per stage between two readings, as one line."""
    parts = []
    for key in sorted(key for key in after if key.endswith(".count")):
        count = after[key] - before.get(key, 0.0)
        total = f"{key.removesuffix('.count')}.sum"
        if count:
            mean = (after.get(total, 0.0) - before.get(total, 0.0)) / count * 1000
            parts.append(f"{key.removesuffix('.count')} {mean:.2f} ms × {count:g}")
    return ", ".join(parts)
