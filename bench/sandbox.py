"""What jobs in sandbox Pods take and cost, through the public endpoint: warm, cold, with tool calls, in bursts, without a break.

    python -m bench.sandbox                                            cluster, product and pools of its own
    python -m bench.sandbox --quick                                    the same without bursts, cold jobs and the sustained rate
    python -m bench.sandbox --namespace NS --optimizer X               warm jobs of an MCPOptimizer that is there
    python -m bench.sandbox --local                                    no cluster: agents as processes on loopback

In the warm series every job finds a full pool and a node that is done with the job before; `hurried` ones begin as soon as the last one's
replacement is Ready. Ends with one line, `sandbox warm_p50_ms=…`; docs/sandbox-speed.md says what each figure is.
"""

import argparse
import math
from pathlib import Path

from scripts.stack.shell import kubeconfig, step

from bench import sandbox_cancel, sandbox_cluster, sandbox_local, sandbox_stack
from bench.figures import line, percentile
from bench.sandbox_client import Target
from bench.sandbox_node import idle_pod_megabytes

BURSTS = {50: 5, 150: 1}
"""Jobs, and rounds of each kind."""
COLD_ROUNDS = 8
CANCEL_ROUNDS = 10
SUSTAINED_SECONDS = 40.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--code", default=sandbox_cluster.EMPTY, help="what each warm job runs")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--optimizer")
    parser.add_argument("--endpoint", help="URL to use from here; default: a client Pod inside the cluster")
    parser.add_argument("--kubeconfig")
    parser.add_argument("--audit-log", type=Path, help="default: audit.log beside the kubeconfig")
    options = parser.parse_args()
    if options.local:
        print(_local(options))
    elif options.optimizer:
        print(line("sandbox", **_warm(_given(options), options.jobs, options.code)))
    else:
        print(line("sandbox", **_own(options)))


def _given(options: argparse.Namespace) -> Target:
    config = options.kubeconfig or kubeconfig()
    return Target(options.namespace, options.optimizer, config, options.audit_log or Path(config).parent / "audit.log", options.endpoint)


def _own(options: argparse.Namespace) -> dict[str, float]:
    sandbox_stack.install_product()
    runc = sandbox_stack.optimizer("runc", sandbox_stack.SPECS["runc"])
    figures = _warm(runc, options.jobs, options.code)
    figures["idle_pod_mb"] = idle_pod_megabytes(runc)
    figures |= _with_calls(runc, options.jobs // 2, "calls20")
    figures |= _hurried(runc, options.jobs // 2, options.code)
    with step("jobs whose client leaves"):
        times = sandbox_cancel.cancelled(runc, CANCEL_ROUNDS)
        figures |= {"cancel_p50_ms": percentile(times, 50), "cancel_max_ms": max(times, default=math.nan)}
    if not options.quick:
        with step("cold jobs"):
            figures["cold_p50_ms"] = percentile(sandbox_cluster.cold(runc, COLD_ROUNDS), 50)
        with step("jobs without a break"):
            figures["refill_per_s"] = sandbox_cluster.sustained(runc, SUSTAINED_SECONDS, sandbox_stack.SMALL["max"])
    sandbox_stack.remove("runc")
    figures |= _gvisor(options)
    if not options.quick:
        figures |= _bursts()
    return figures


def _warm(target: Target, jobs: int, code: str) -> dict[str, float]:
    with step("warm jobs, one at a time"):
        measured = sandbox_cluster.series(target, jobs, code)
    return {
        "warm_p50_ms": percentile(measured.milliseconds, 50),
        "warm_p90_ms": percentile(measured.milliseconds, 90),
        "warm_p99_ms": percentile(measured.milliseconds, 99),
        "warm_max_ms": max(measured.milliseconds),
        "refill_p50_s": percentile(measured.refill_seconds, 50),
        "refill_p99_s": percentile(measured.refill_seconds, 99),
        "hot_path_api_writes": measured.server_writes,
        "api_writes_per_job": measured.writes_per_pod,
        "jobs": jobs,
    }


def _with_calls(target: Target, jobs: int, name: str) -> dict[str, float]:
    with step("jobs with 20 tool calls"):
        measured = sandbox_cluster.series(target, jobs, sandbox_cluster.TWENTY_CALLS).milliseconds
    return {f"{name}_p50_ms": percentile(measured, 50), f"{name}_p99_ms": percentile(measured, 99)}


def _hurried(target: Target, jobs: int, code: str) -> dict[str, float]:
    with step("jobs one right after the other"):
        measured = sandbox_cluster.series(target, jobs, code, rest=False)
    return {
        "hurried_p50_ms": percentile(measured.milliseconds, 50),
        "hurried_p99_ms": percentile(measured.milliseconds, 99),
        "hurried_cpu_share": measured.cpu.share,
    }


def _gvisor(options: argparse.Namespace) -> dict[str, float]:
    gvisor = sandbox_stack.optimizer("gvisor", sandbox_stack.SPECS["gvisor"])
    with step("warm jobs under gVisor"):
        measured = sandbox_cluster.series(gvisor, options.jobs // 2, options.code).milliseconds
    figures = {
        "gvisor_p50_ms": percentile(measured, 50),
        "gvisor_p99_ms": percentile(measured, 99),
        "gvisor_idle_pod_mb": idle_pod_megabytes(gvisor),
    }
    figures |= _with_calls(gvisor, options.jobs // 4, "gvisor_calls20")
    sandbox_stack.remove("gvisor")
    return figures


def _bursts() -> dict[str, float]:
    figures: dict[str, float] = {}
    for jobs, rounds in BURSTS.items():
        name = f"burst{jobs}"
        target = sandbox_stack.optimizer(name, sandbox_stack.crowd(jobs), seconds=300)
        for kind, mixed in (("", False), ("_mixed", True)):
            with step(f"{jobs} jobs at once, {'each of its own program' if mixed else 'of one program'}"):
                times = sandbox_cluster.bursts(target, jobs, rounds, mixed=mixed)
            figures |= {f"{name}{kind}_p50_ms": percentile(times, 50), f"{name}{kind}_p90_ms": percentile(times, 90)}
        sandbox_stack.remove(name)
    return figures


def _local(options: argparse.Namespace) -> str:
    times = sandbox_local.measure(sandbox_local.job_of(options.code), options.jobs)
    calls = sandbox_local.measure(sandbox_local.job_of(sandbox_local.TWENTY_CALLS), options.jobs)
    cancelled = sandbox_local.measure(sandbox_local.cancelled, options.jobs)
    return line(
        "sandbox-local",
        warm_p50_ms=percentile(times, 50),
        warm_p99_ms=percentile(times, 99),
        calls20_p50_ms=percentile(calls, 50),
        calls20_p99_ms=percentile(calls, 99),
        cancel_p50_ms=percentile(cancelled, 50),
        cancel_p99_ms=percentile(cancelled, 99),
        jobs=options.jobs,
    )


if __name__ == "__main__":
    main()
