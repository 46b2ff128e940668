"""Pods and targets for the pool's plan."""

from typing import Any

from mcp_operator.pool import Plan, PoolTarget, plan
from mcp_operator.pool_hold import Hold
from mcp_operator.pool_pod import PodState, PoolPod

NOW = 1_000_000.0
TARGET = PoolTarget(min=2, max=4, template_hash="new", job_seconds=30)


def pods(state: PodState, count: int = 1, *, prefix: str = "", age: float = 10, **more: Any) -> list[PoolPod]:
    found = []
    for number in range(count):
        name = f"{prefix or state}-{number}"
        found.append(
            PoolPod(name=name, uid=f"uid-{name}", state=state, since=NOW - age, created=NOW - age, **{"template_hash": "new", **more})
        )
    return found


def decide(have: list[PoolPod], target: PoolTarget = TARGET, *, hold: Hold | None = None, now: float = NOW, **more: Any) -> Plan:
    return plan(target, have, hold=hold, now=now, **more)


def deleted(decision: Plan) -> list[str]:
    return [pod.name for pod in decision.delete]


def warm(count: int = 1, **more: Any) -> list[PoolPod]:
    return pods(PodState.WARM, count, **more)


def starting(count: int = 1, **more: Any) -> list[PoolPod]:
    return pods(PodState.STARTING, count, **more)


def busy(count: int = 1, **more: Any) -> list[PoolPod]:
    return pods(PodState.BUSY, count, **more)
