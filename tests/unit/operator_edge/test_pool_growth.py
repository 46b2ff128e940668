"""What demand, the token bucket and servers that reach nobody change in the pool's plan."""

from dataclasses import replace

import pytest
from tests.unit.operator_edge.pool_builders import NOW, TARGET, busy, decide, deleted, starting, warm

from mcp_operator.desired.sandbox_pod import idle_seconds
from mcp_operator.pool import EVICTION_SECONDS
from mcp_operator.pool_bucket import Bucket
from mcp_operator.pool_demand import Demand
from mcp_operator.pool_memory import CALM_SECONDS, LONGEST_CALM_SECONDS, PoolMemory
from mcp_optimizer_api.stats import SandboxEvent


def test_more_pods_than_jobs_need_are_left_to_end_by_age_and_only_a_lower_maximum_deletes_them() -> None:
    assert deleted(decide([*warm(3), *starting(1)])) == []
    assert deleted(decide(warm(6))) == ["warm-0", "warm-1"]
    limit = idle_seconds("warm-0")
    ageing = [replace(pod, created=NOW - limit + 20) if pod.name == "warm-0" else pod for pod in warm(3)]
    assert decide(ageing).create == 0


def test_the_demand_raises_the_supply_within_the_bounds() -> None:
    wanting = replace(TARGET, demand=Demand(rate=0.5, refill=3.0, burst=1))
    assert decide(warm(2), wanting).create == 1
    assert decide(warm(2), wanting).counts.target == 3
    assert decide(warm(2), replace(wanting, demand=Demand(rate=100, refill=3.0, burst=9))).create == 2
    assert decide([*warm(2), *busy(1)], replace(wanting, demand=Demand(burst=9))).create == 1
    assert decide([], replace(wanting, off="execute_code is off.", demand=Demand(burst=9))).create == 0


def test_the_token_bucket_bounds_creations_and_says_when_the_next_batch_may_follow() -> None:
    target = replace(TARGET, min=30, max=40)
    first = decide([], target, bucket=Bucket.full(20, NOW))
    assert (first.create, first.delayed) == (20, 10)
    empty = Bucket(per_second=20, tokens=0.5, as_of=NOW)
    held = decide([], target, bucket=empty)
    assert (held.create, held.requeue_after) == (0, pytest.approx(4.5 / 20))
    assert decide([], target, bucket=empty.at(NOW + 4.5 / 20, 20)).create == 5
    assert decide(warm(30), target, bucket=empty).delayed == 0


def test_a_pod_out_of_reach_is_replaced_one_at_a_time_and_the_others_serve_meanwhile() -> None:
    have = [*warm(2, prefix="lost", suspected=True), *warm(1)]
    target = replace(TARGET, min=3, max=6)
    first = decide(have, target)
    assert ([pod.name for pod in first.unreachable], deleted(first), first.create) == (["lost-0"], ["lost-0"], 1)
    next_one = decide(have[1:], target, evicted_at=NOW - 4)
    assert (next_one.unreachable, deleted(next_one), next_one.requeue_after) == ((), [], EVICTION_SECONDS - 4)
    assert deleted(decide(have[1:], target, evicted_at=NOW - EVICTION_SECONDS)) == ["lost-1"]


def test_a_pod_with_a_job_is_not_removed_because_a_server_cannot_reach_it() -> None:
    assert deleted(decide(busy(1, suspected=True))) == []
    assert deleted(decide(starting(1, suspected=True))) == []


def test_a_job_that_began_under_a_longer_time_limit_keeps_it() -> None:
    assert deleted(decide(busy(1, age=61))) == ["busy-0"]
    earlier = busy(1, age=61, template_hash="old", job_seconds=1800)
    decision = decide(earlier)
    assert (deleted(decision), decision.requeue_after) == ([], 1800 + 30 - 61)
    assert deleted(decide(earlier, now=NOW + 1800)) == ["busy-0"]


def test_jobs_that_have_just_begun_come_before_the_pods_for_the_next_ones() -> None:
    memory = PoolMemory()
    assert memory.calm_until < NOW
    claimed(memory, NOW)
    assert memory.calm_until == pytest.approx(NOW + CALM_SECONDS)
    claimed(memory, NOW + 0.9)
    assert memory.calm_until == pytest.approx(NOW + LONGEST_CALM_SECONDS)
    memory.creating("next", NOW + 1)
    assert memory.calm_until == pytest.approx(NOW + 0.9 + CALM_SECONDS)
    memory.settle()
    assert memory.calm_until < NOW
    target = replace(TARGET, min=30, max=80)
    held = decide([], target, calm_until=NOW + 0.4)
    assert (held.create, held.delayed, held.requeue_after) == (0, 30, pytest.approx(0.4))
    assert decide([], target, calm_until=NOW).create == 30


def claimed(memory: PoolMemory, now: float) -> None:
    memory.announce(SandboxEvent(type="claimed", pod="warm", uid=f"uid-{now}"), now)
