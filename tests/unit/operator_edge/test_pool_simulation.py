"""A whole cluster in memory: a lagging cache, random claims, ends, kubelets. Whatever happens, the bounds hold and the pool recovers."""

import random
from dataclasses import dataclass, field, replace

import pytest

from mcp_operator.expectations import Expectations
from mcp_operator.pool import PoolTarget, plan
from mcp_operator.pool_pod import PodState, PoolPod

TARGET = PoolTarget(min=5, max=12, template_hash="h", job_seconds=30)


@dataclass
class Cluster:
    """The truth; what the operator sees of it is up to the test."""

    random: random.Random
    truth: dict[str, PoolPod] = field(default_factory=dict)
    creations: int = 0
    peak: int = 0

    def live(self) -> int:
        return sum(pod.state != PodState.FINISHED for pod in self.truth.values())

    def create(self, now: float) -> str:
        self.creations += 1
        name = f"pod-{self.creations}"
        self.truth[name] = PoolPod(name=name, uid=name, state=PodState.STARTING, since=now, created=now, template_hash="h")
        self.peak = max(self.peak, self.live())
        return name

    def delete(self, pod: PoolPod) -> None:
        if pod.name in self.truth:
            self.truth[pod.name] = replace(self.truth[pod.name], deleting=True)

    def tick(self, now: float, *, claims: bool) -> None:
        for name, pod in list(self.truth.items()):
            roll = self.random.random()
            if pod.deleting and roll < 0.5:
                del self.truth[name]
            elif pod.state == PodState.STARTING and roll < 0.5:
                self.truth[name] = replace(pod, state=PodState.WARM, since=now)
            elif pod.state == PodState.WARM and claims and roll < 0.2:
                self.truth[name] = replace(pod, state=PodState.BUSY, since=now)
            elif pod.state == PodState.BUSY and roll < 0.3:
                self.truth[name] = replace(pod, state=PodState.FINISHED, since=now)


def step(cluster: Cluster, expected: Expectations, seen: list[PoolPod], now: float) -> None:
    expected.observe(names=[pod.name for pod in seen], staying=[pod.uid for pod in seen if not pod.deleting])
    decision = plan(TARGET, seen, creations=expected.creations, deletions=expected.deletions, hold=None, now=now)
    for pod in decision.delete:
        expected.deleting(pod.uid, now)
        cluster.delete(pod)
    for _ in range(decision.create):
        expected.creating(cluster.create(now), now)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("lag", [0, 5])
def test_a_pool_under_load_keeps_its_bounds_and_settles_without_further_writes(seed: int, lag: int) -> None:
    cluster, expected = Cluster(random.Random(seed)), Expectations()
    now = 0.0
    seen: list[PoolPod] = []
    for number in range(300):
        now += 0.2
        if number % (lag + 1) == 0:
            seen = list(cluster.truth.values())
        step(cluster, expected, seen, now)
        cluster.tick(now, claims=number < 200)
    assert cluster.peak <= TARGET.max
    assert sorted(pod.state for pod in cluster.truth.values()) == [PodState.WARM] * TARGET.min
    assert cluster.creations > TARGET.max
