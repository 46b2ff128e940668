"""Jobs on warm sandbox Pods through the public endpoint of an MCPOptimizer on a cluster: one at a time, in bursts, without a break, cold."""

import itertools
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.figures import percentile
from bench.pool_watch import PoolWatch, watched_pool
from bench.sandbox_client import JobClient, Target, job_client_of
from bench.sandbox_node import CpuShare, audit_position, cpu_share, stage_means, stage_text, writes_since

REHEARSALS = 3
EMPTY = "1+1"
TWENTY_CALLS = 'for n in range(20): call("echo.echo", text="x")'
_numbers = itertools.count()
_run = secrets.token_hex(4)
REST_SECONDS = 0.75
"""Without a change of any Pod of the pool: the last job's is gone, its replacement warm."""


@dataclass(frozen=True)
class Series:
    """Of jobs that ran one after the other, each on a full pool."""

    milliseconds: list[float]
    refill_seconds: list[float]
    server_writes: float
    """nan where there is no audit log."""
    writes_per_pod: float
    """From creation to end; nan where there is no audit log."""
    cpu: CpuShare = field(default_factory=CpuShare)


def series(target: Target, jobs: int, code: str, *, rest: bool = True) -> Series:
    """Run the jobs, each when the pool is as full as it was at the start; with `rest`, when the node is done with the job before as well."""
    with watched(target) as pool, job_client_of(target) as client:
        pool.wait_for_warm(1)
        pool.wait_until_still(REST_SECONDS)
        for _ in range(REHEARSALS):
            _one(client, target, pool, code)
        pool.wait_until_still(REST_SECONDS)
        offset, stages = audit_position(target), stage_means(target)
        times: list[float] = []
        refills: list[float] = []
        with cpu_share() as cpu:
            for _ in range(jobs):
                if rest:
                    pool.wait_until_still(REST_SECONDS)
                milliseconds, refill = _one(client, target, pool, code)
                times.append(milliseconds)
                refills.append(refill)
        print(f"    {summary(times)}; refill p50 {percentile(refills, 50):.2f} s; machine {cpu.share:.0%} busy", flush=True)
        print(f"    at the server: {stage_text(stages, stage_means(target))}", flush=True)
        pool.wait_until_still(REST_SECONDS)
    server, each = writes_since(target, offset)
    return Series(times, refills, server, each, cpu)


def fresh(code: str) -> dict[str, str]:
    """Arguments of a job whose program the server has not seen before: it knows those that it has looked at lately."""
    return {"code": f"{code}\n# {_run} {next(_numbers)}"}


def burst(target: Target, jobs: int, *, mixed: bool = False) -> list[float]:
    """Milliseconds of jobs that all begin at once, on a pool that has a warm Pod for each: of one program, or each of its own."""
    with watched(target) as pool, job_client_of(target) as client:
        pool.wait_for_warm(jobs)
        client.times(target.url, [{"code": EMPTY}])
        pool.wait_for_warm(jobs)
        pool.wait_until_still()
        with cpu_share() as cpu:
            times = client.times(target.url, [fresh(EMPTY) if mixed else {"code": EMPTY} for _ in range(jobs)])
    per_job = cpu.core_seconds / jobs * 1000
    print(f"    {jobs} at once: {summary(times)}; machine {cpu.share:.0%} busy, {per_job:.0f} ms of a core per job", flush=True)
    return times


def bursts(target: Target, jobs: int, rounds: int, *, mixed: bool = False) -> list[float]:
    """`burst`, again and again, and of the rounds the middle one by p50.

    Every ten seconds the container runtime measures all Pods of the node, and a round that meets it is one of that.
    """
    measured = sorted((burst(target, jobs, mixed=mixed) for _ in range(rounds)), key=lambda times: percentile(times, 50))
    return measured[rounds // 2]


def sustained(target: Target, seconds: float, workers: int) -> float:
    """Jobs per second when there are always `workers` of them: what the refill gives, because the supply at the start is not counted."""
    with watched(target) as pool, job_client_of(target) as client:
        pool.wait_for_warm(1)
        supply = len(pool.warm())
        client.times(target.url, [{"code": EMPTY}] * supply)
        done, spent = 0, 0.0
        with cpu_share() as cpu:
            while spent < seconds:
                with cpu_share() as part:
                    answers = client.send(target.url, [{"code": EMPTY}] * workers)
                spent += part.seconds
                done += sum(answer["ok"] for answer in answers)
    print(f"    {done} jobs in {spent:.0f} s with {workers} at once; machine {cpu.share:.0%} busy", flush=True)
    return done / spent


def cold(target: Target, rounds: int) -> list[float]:
    """Milliseconds of jobs that find no warm Pod: each waits for one that is made for it."""
    times: list[float] = []
    with watched(target) as pool, job_client_of(target) as client:
        for _ in range(rounds):
            pool.wait_for_warm(1)
            pool.wait_until_still()
            warm = len(pool.warm())
            answers = client.times(target.url, [{"code": EMPTY}] * (warm + 1))
            times.append(max(answers))
    print(f"    without a warm Pod: {summary(times)}", flush=True)
    return times


def summary(times: Sequence[float]) -> str:
    """The percentiles that people ask for."""
    figures = ", ".join(f"p{percent} {percentile(times, percent):.1f}" for percent in (50, 90, 99))
    return f"{len(times)} jobs: {figures}, max {max(times, default=float('nan')):.1f} ms"


def watched(target: Target) -> AbstractContextManager[PoolWatch]:
    """The optimizer's pool, followed while the context is open."""
    return watched_pool(target.kubeconfig, target.namespace, target.optimizer)


def _one(client: JobClient, target: Target, pool: PoolWatch, code: str) -> tuple[float, float]:
    """One job: its milliseconds, and the seconds from its start until a new Pod was warm."""
    known, started = pool.known(), time.monotonic()
    (milliseconds,) = client.times(target.url, [fresh(code)])
    return milliseconds, pool.wait_for_new(known) - started
