"""Thousands of jobs in a row, and what they leave behind: Pods, processes, mounts, sockets, memory.

    python -m bench.endurance [--jobs 2000] [--at-once 6] [--runtime gvisor]

Ends with one line: `endurance jobs=… failed=… leaked_pods=… leaked_processes=… leaked_mounts=… leaked_sockets=… server_growth_mb=…
operator_growth_mb=… pool_at_target=… jobs_per_s=… database_kb_per_job=…`. Leaks are differences between rest before and rest after; the first
100 jobs come before the first look, because caches fill with them. Counted on this machine, which is the node of a local cluster.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import install, waiting
from scripts.stack.shell import get, kubectl, step

from bench import sandbox_stack
from bench.figures import line
from bench.sandbox_client import JobClient, Target, job_client_of
from bench.sandbox_node import database_bytes
from mcp_optimizer_api.names import COMPONENT_LABEL, COMPONENT_SANDBOX, OPTIMIZER_LABEL

NAME = "endurance"
FIRST_JOBS = 100
CODE = "import os\nopen('x', 'w').write('x' * 100_000)\nprint(os.getpid())\nsum(range(1000))"
REST_SECONDS = 120.0


@dataclass(frozen=True)
class Rest:
    """What there is while nothing runs."""

    pods: int
    target: int
    processes: int
    mounts: int
    sockets: float
    server_bytes: float
    operator_bytes: float
    database: float


def main() -> None:
    """Run the jobs and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--runtime", help="RuntimeClass of the sandboxes")
    options = parser.parse_args()
    sandbox_stack.install_product()
    # Of one size, so that what is there before and after can be compared.
    pool = {"min": 2 * options.at_once, "max": 2 * options.at_once}
    isolation = {"runtimeClassName": options.runtime} if options.runtime else {}
    target = sandbox_stack.optimizer(NAME, {"sandbox": {"pool": pool, **isolation}})
    with job_client_of(target) as client:
        with step(f"the first {FIRST_JOBS} jobs"):
            _run(client, target, FIRST_JOBS, options.at_once)
        before = _rest(target)
        with step(f"{options.jobs} jobs"):
            started = time.monotonic()
            failed = _run(client, target, options.jobs, options.at_once)
            seconds = time.monotonic() - started
        after = _rest(target)
    sandbox_stack.remove(NAME)
    print(_line(before, after, options.jobs, failed, seconds))


def _line(before: Rest, after: Rest, jobs: int, failed: int, seconds: float) -> str:
    return line(
        "endurance",
        jobs=jobs,
        failed=failed,
        leaked_pods=after.pods - after.target,
        leaked_processes=after.processes - before.processes,
        leaked_mounts=after.mounts - before.mounts,
        leaked_sockets=int(after.sockets - before.sockets),
        server_growth_mb=(after.server_bytes - before.server_bytes) / 1e6,
        operator_growth_mb=(after.operator_bytes - before.operator_bytes) / 1e6,
        pool_at_target=int(after.pods == after.target),
        jobs_per_s=jobs / seconds,
        database_kb_per_job=(after.database - before.database) / jobs / 1000,
    )


def _run(client: JobClient, target: Target, jobs: int, at_once: int) -> int:
    """Run so many jobs; how many did not succeed. A refusal is tried again: the pool is smaller than what we ask of it."""
    done = failed = 0
    while done < jobs:
        answers = client.send(target.url, [{"code": CODE}] * min(at_once, jobs - done))
        refused = [answer for answer in answers if '"code":503' in answer["text"] or '"code":429' in answer["text"]]
        wrong = [answer for answer in answers if not answer["ok"] and answer not in refused]
        failed += len(wrong)
        done += len(answers) - len(refused)
        for answer in wrong:
            print(f"    failed: {answer['text'][:300]}", flush=True)
        if done % 240 < at_once:
            print(f"    {done} jobs", flush=True)
    return failed


def _rest(target: Target) -> Rest:
    """When the pool is back at its target and nothing else is left of it."""

    def settled() -> Rest | None:
        found = _look(target)
        return found if found.pods == found.target else None

    try:
        waiting.until("the pool at its target", settled, seconds=REST_SECONDS, every=2)
    except AssertionError as error:
        print(f"    {error}", flush=True)
    time.sleep(10)  # the kubelet and containerd clean up a moment after the Pod object is gone
    return _look(target)


def _look(target: Target) -> Rest:
    selector = f"{COMPONENT_LABEL}={COMPONENT_SANDBOX},{OPTIMIZER_LABEL}={target.optimizer}"
    status = get("mcpo", target.optimizer, target.namespace)["status"]["sandboxes"]
    server = get("pods", namespace=target.namespace, selector=f"{COMPONENT_LABEL}=server,{OPTIMIZER_LABEL}={target.optimizer}")[0]
    operator = get("pods", namespace=install.NAMESPACE, selector="app.kubernetes.io/name=mcp-operator")[0]
    served = _metrics(target.namespace, server["metadata"]["name"], 8081)
    operated = _metrics(install.NAMESPACE, operator["metadata"]["name"], 8080)
    return Rest(
        pods=len(get("pods", namespace=target.namespace, selector=selector)),
        target=status["target"],
        processes=sum(entry.name.isdigit() for entry in Path("/proc").iterdir()),
        mounts=len(Path("/proc/mounts").read_text().splitlines()),
        sockets=served["process_open_fds"] + operated["process_open_fds"],
        server_bytes=served["process_resident_memory_bytes"],
        operator_bytes=operated["process_resident_memory_bytes"],
        database=database_bytes(),
    )


def _metrics(namespace: str, pod: str, port: int) -> dict[str, float]:
    """The process's own figures."""
    text = kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics")
    pairs = (text_line.rsplit(" ", 1) for text_line in text.splitlines() if text_line.startswith("process_"))
    return {name: float(value) for name, value in pairs}


if __name__ == "__main__":
    main()
