"""How fast, how quiet and how small is the operator? Many MCPServers applied at once, on a control plane without a node.

Measured: seconds until every child of every server exists; the operator's own write requests per server, from the API server's audit
log; its writes after a restart; its writes while nothing changes though all Pods stay Pending; its memory. Lease renewals are not
counted as writes: they belong to the process, not to the objects (the log names their number).
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration, CustomObjectsApi

from bench.figures import line
from mcp_optimizer_api.names import GROUP, VERSION

CHECKOUT = Path(__file__).resolve().parents[1]
NAMESPACE = "bench-operator"
PLANE = ("--control-plane-only", "--name", "bench-operator")
KINDS = ("deployments.apps", "services", "networkpolicies.networking.k8s.io")
GIVE_UP_SECONDS = 180


def say(text: str) -> None:
    """Progress, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def devcluster(*arguments: str) -> str:
    """Run `python -m devcluster`; its standard output."""
    done = subprocess.run([sys.executable, "-m", "devcluster", *arguments], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Plane:
    """A fresh control plane of the benchmark's own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.audit = kubeconfig.parent / "audit.log"
        self._kubectl = devcluster("tool", "kubectl").splitlines()[-1]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of kubectl."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run([self._kubectl, *arguments], input=stdin, env=environment, check=True, capture_output=True, text=True).stdout

    def count(self, kind: str) -> int:
        """Objects of a kind that the operator made."""
        names = self.kubectl("get", kind, "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=mcp-operator", "-o", "name")
        return len(names.splitlines())

    def position(self) -> int:
        """Where the audit log ends."""
        return self.audit.stat().st_size

    def events(self, since: int, user_agent: str = "mcp-operator/") -> Iterator[dict[str, Any]]:
        """Finished write requests from that position on, the operator's unless told otherwise."""
        with self.audit.open() as log:
            log.seek(since)
            for line in log:
                if not line.endswith("\n"):
                    return  # still being written
                event = json.loads(line)
                if event["stage"] == "ResponseComplete" and event.get("userAgent", "").startswith(user_agent):
                    yield event

    def writes(self, since: int) -> int:
        """How many, Lease renewals apart."""
        return sum(event["objectRef"]["resource"] != "leases" for event in self.events(since))


@contextmanager
def plane() -> Iterator[Plane]:
    """A control plane with our CRDs, gone afterwards."""
    devcluster("down", *PLANE)
    made = Plane(CHECKOUT / devcluster("up", *PLANE).splitlines()[-1])
    try:
        made.kubectl("apply", "--server-side", "-f", str(CHECKOUT / "crds"))
        made.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CHECKOUT / "crds"))
        made.kubectl("create", "namespace", NAMESPACE)
        yield made
    finally:
        devcluster("down", *PLANE)


class Operator:
    """The operator as it runs in production: cluster-wide, with leader election."""

    def __init__(self, target: Plane, folder: Path) -> None:
        self._log = folder / "operator.log"
        environment = {
            "KUBECONFIG": str(target.kubeconfig),
            "POD_NAMESPACE": NAMESPACE,
            "MCP_SERVER_IMAGE": "localhost/server:bench",
            "MCP_SANDBOX_IMAGE": "localhost/sandbox:bench",
            "METRICS_PORT": "0",
            "HEALTH_PORT": "0",
        }
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "mcp_operator"]
            self._process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while "Listed what exists" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the operator did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def rss_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)


def server(number: int) -> dict[str, Any]:
    """One MCPServer."""
    return {
        "apiVersion": "mcp.optimizer.dev/v1",
        "kind": "MCPServer",
        "metadata": {"name": f"server-{number:04}", "namespace": NAMESPACE},
        "spec": {"image": "example.com/mcp/server:1"},
    }


async def apply(target: Plane, count: int) -> None:
    """Create all servers, sixteen requests at a time: kubectl alone would need longer than the operator."""
    configuration = Configuration()
    await config.load_kube_config(config_file=str(target.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with ApiClient(configuration) as api:
        slots = asyncio.Semaphore(16)

        async def create(number: int) -> None:
            async with slots:
                await CustomObjectsApi(api).create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "mcpservers", server(number))

        await asyncio.gather(*(create(number) for number in range(count)))


def children_seconds(target: Plane, count: int) -> float:
    """Seconds from the first server's creation to the last child's, by the API server's clock: polling it would slow it down."""
    begin, started = target.position(), time.monotonic()
    asyncio.run(apply(target, count))
    say(f"{count} servers exist after {time.monotonic() - started:.1f} s")
    while len(made := made_at(target, begin)) < count * len(KINDS):
        if time.monotonic() - started > GIVE_UP_SECONDS:
            raise SystemExit(f"only {len(made)} of {count * len(KINDS)} children after {GIVE_UP_SECONDS} s")
        time.sleep(0.5)
    for kind in KINDS:
        if target.count(kind) != count:
            raise SystemExit(f"{target.count(kind)} {kind} exist, not {count}")
    first = min(moment(event["requestReceivedTimestamp"]) for event in target.events(begin, "") if is_new(event, "mcpservers"))
    return max(made) - first


def made_at(target: Plane, since: int) -> list[float]:
    """When each child came into being."""
    plurals = [kind.partition(".")[0] for kind in KINDS]
    return [moment(event["stageTimestamp"]) for event in target.events(since) if is_new(event, *plurals)]


def is_new(event: dict[str, Any], *plurals: str) -> bool:
    """Whether a request created an object of one of these kinds."""
    return event["objectRef"]["resource"] in plurals and event["responseStatus"]["code"] == 201


def moment(timestamp: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def settle(target: Plane, quiet: float = 5.0) -> None:
    """Wait until the operator has written nothing for a while."""
    position, since = target.position(), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.5)
        if target.writes(position):
            position, since = target.position(), time.monotonic()


def measure(target: Plane, folder: Path, *, count: int, idle: float) -> dict[str, float]:
    """All figures."""
    operator = Operator(target, folder)
    try:
        say(f"operator started: {operator.rss_mb():.0f} MB; applying {count} MCPServers")
        begin = target.position()
        seconds = children_seconds(target, count)
        settle(target)
        writes = target.writes(begin)
        say(f"settled: {writes} writes, {operator.cpu_seconds():.1f} s of processor time; now idle for {idle:.0f} s")
        begin = target.position()
        time.sleep(idle)
        idle_writes, rss = target.writes(begin), operator.rss_mb()
        leases = sum(1 for _ in target.events(begin)) - idle_writes
        say(f"idle: {idle_writes} writes besides {leases} Lease renewals; restarting")
        begin = target.position()
    finally:
        operator.stop()
    operator = Operator(target, folder)
    try:
        time.sleep(10)
        settle(target)
        restart_writes = target.writes(begin)
    finally:
        operator.stop()
    return {
        "servers": count,
        "all_children_s": round(seconds, 1),
        "writes_per_object": round(writes / count, 2),
        "restart_writes": restart_writes,
        "idle_writes": idle_writes,
        "rss_mb": round(rss, 1),
    }


def main() -> None:
    """Last line: `operator key=value …`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, plane() as target:
        figures = measure(target, Path(folder), count=arguments.servers, idle=arguments.idle)
    print(line("operator", **figures))


if __name__ == "__main__":
    main()
