"""The law behind the sizes of pools, against a simulation that knows nothing of it."""

import heapq
import random

import pytest
from bench.sandbox_model import highest_rate, miss_share, warm_needed


def simulated(rate: float, refill: float, warm: int, jobs: int = 60_000) -> float:
    """Share of jobs that found no Pod, when each claim orders one that comes after a random time of mean `refill`."""
    source = random.Random(7)
    now, missed, stock = 0.0, 0, warm
    coming: list[float] = []
    for _ in range(jobs):
        now += source.expovariate(rate)
        while coming and coming[0] <= now:
            heapq.heappop(coming)
            stock += 1
        missed += stock <= 0
        stock -= 1
        heapq.heappush(coming, now + source.uniform(0.5, 1.5) * refill)
    return missed / jobs


@pytest.mark.parametrize(("rate", "refill", "warm"), [(2.0, 2.0, 5), (5.0, 2.0, 14), (0.5, 2.0, 2)])
def test_the_law_says_what_a_simulation_shows(rate: float, refill: float, warm: int) -> None:
    assert miss_share(rate, refill, warm) == pytest.approx(simulated(rate, refill, warm), rel=0.15, abs=0.003)


def test_the_pool_is_as_small_as_the_share_allows() -> None:
    warm = warm_needed(10, 2.1, 0.01)
    assert miss_share(10, 2.1, warm) <= 0.01 < miss_share(10, 2.1, warm - 1)


def test_the_scarcest_part_bounds_the_rate() -> None:
    assert highest_rate(2, per_node=4.5) == 9.0
    assert highest_rate(100, per_node=4.5, creations=100) == 70.0
    assert highest_rate(100, per_node=4.5) == 20.0
