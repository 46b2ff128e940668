"""How long a job takes on a warm sandbox Pod, what it costs the API server, and how fast the pool is full again.

    python -m bench.sandbox                                            cluster, product and pool of its own
    python -m bench.sandbox --namespace NS --optimizer X               an MCPOptimizer that is there
    python -m bench.sandbox --local                                    no cluster: agents as processes on loopback

Every job finds a warm Pod: the next one starts when the last one's replacement is Ready. Ends with one line:
`sandbox warm_p50_ms=… warm_p99_ms=… hot_path_api_writes=… refill_s=…` (`hot_path_api_writes` by the server's ServiceAccount, from the audit
log; `refill_s` from the start of a job to the next Pod Ready, p50; `pod_writes_per_job` by everybody, to Pods of the namespace).
"""

import argparse
from pathlib import Path

from scripts.stack.shell import kubeconfig

from bench import sandbox_cluster, sandbox_local
from bench.figures import line, percentile


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--code", default="1+1", help="what each job runs")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--namespace")
    parser.add_argument("--optimizer")
    parser.add_argument("--endpoint", help="URL to use from here; default: a client Pod inside the cluster")
    parser.add_argument("--kubeconfig")
    parser.add_argument("--audit-log", type=Path, help="default: audit.log beside the kubeconfig")
    options = parser.parse_args()
    print(_local(options) if options.local else _cluster(options))


def _local(options: argparse.Namespace) -> str:
    times = sandbox_local.measure(options.code, options.jobs)
    calls = sandbox_local.measure(sandbox_local.TWENTY_CALLS, options.jobs)
    return line(
        "sandbox-local",
        warm_p50_ms=percentile(times, 50),
        warm_p99_ms=percentile(times, 99),
        calls20_p50_ms=percentile(calls, 50),
        calls20_p99_ms=percentile(calls, 99),
        jobs=options.jobs,
    )


def _cluster(options: argparse.Namespace) -> str:
    if options.optimizer:
        config = options.kubeconfig or kubeconfig()
        audit = options.audit_log or Path(config).parent / "audit.log"
        target = sandbox_cluster.Target(options.namespace or "default", options.optimizer, config, audit, options.endpoint)
    else:
        target = sandbox_cluster.own_target()
    measured = sandbox_cluster.measure(target, options.jobs, {"code": options.code})
    return line(
        "sandbox",
        warm_p50_ms=percentile(measured.milliseconds, 50),
        warm_p99_ms=percentile(measured.milliseconds, 99),
        hot_path_api_writes=measured.server_writes,
        refill_s=percentile(measured.refill_seconds, 50),
        refill_p99_s=percentile(measured.refill_seconds, 99),
        pod_writes_per_job=measured.all_writes / options.jobs,
        jobs=options.jobs,
    )


if __name__ == "__main__":
    main()
