"""Carries out what `pool.plan` decided.

Two writes of ours per job: one Pod created, one deleted. Creations start slowly (1, 2, 4, …), so that a namespace without quota costs
one refused request, not fifty.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from .cache import Cache
from .client import Client
from .clock import Clock
from .desired.sandbox_pod import PoolTemplate, sandbox_pod, sandbox_pod_name
from .errors import ConflictError, NamespaceTerminatingError, TerminalError, TransientError
from .kinds import POD, Key
from .pool import Plan, PoolTarget
from .pool_hold import FAILED_STARTS, hold_after
from .pool_memory import PoolMemory
from .pool_pod import PoolPod
from .pool_refusal import refusal
from .pool_verdict import failed_start

ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
AT_ONCE: Final = 16
"""Requests in flight for one pool."""

log = logging.getLogger(__name__)


class PoolWriter:
    """For all pools."""

    def __init__(self, client: Client, cache: Cache, clock: Clock, random_suffix: Callable[[], str] | None) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._suffix = random_suffix or (lambda: "".join(secrets.choice(ALPHABET) for _ in range(8)))

    async def carry_out(self, decision: Plan, template: PoolTemplate, target: PoolTarget, pool: PoolMemory) -> None:
        """Delete and create. The first error is raised when everything has come to its end."""
        now = self._clock()
        for pod in decision.failed:
            pool.hold = hold_after(pool.hold, reason=failed_start(pod).reason, message=failed_start(pod).message, now=now)
        await _together([self._delete(template.namespace, pod, pool) for pod in decision.delete])
        missing, batch = (0 if decision.failed else decision.create), 1
        while missing > 0:
            size = min(batch, missing, AT_ONCE)
            results = await _together([self._create(template, target, pool) for _ in range(size)])
            if not all(results):
                return
            # Only a batch without a refusal proves that the refusals are over: its requests are answered in any order.
            if pool.hold is not None and pool.hold.reason not in FAILED_STARTS:
                pool.hold = None
            missing, batch = missing - size, 2 * batch

    async def _create(self, template: PoolTemplate, target: PoolTarget, pool: PoolMemory) -> bool:
        name = sandbox_pod_name(template.optimizer, self._suffix())
        pool.creating(name, self._clock())
        try:
            self._cache.put(await self._client.create(POD, sandbox_pod(template, pod_name=name, template_hash=target.template_hash)))
        except TerminalError as error:
            pool.not_created(name)
            if isinstance(error, NamespaceTerminatingError):
                raise
            problem = refusal(error, name)
            pool.hold = hold_after(pool.hold, reason=problem.reason, message=problem.message, now=self._clock())
            log.warning("Sandbox Pod was refused", extra={"pool": template.optimizer, "reason": problem.reason, "error": str(error)})
            return False
        except ConflictError:
            pool.not_created(name)  # the name is taken: the next pass picks another
            raise
        except TransientError:
            pool.doubtful = True
            raise
        return True

    async def _delete(self, namespace: str, pod: PoolPod, pool: PoolMemory) -> bool:
        pool.expected.deleting(pod.uid, self._clock())
        try:
            if not await self._client.delete(POD, namespace, pod.name, uid=pod.uid):
                self._cache.remove(Key(POD.kind, namespace, pod.name), pod.uid)
        except TerminalError:
            pool.expected.not_deleted(pod.uid)
            raise
        except TransientError:
            pool.doubtful = True
            raise
        return True


async def _together(work: Sequence[Coroutine[Any, Any, bool]]) -> list[bool]:
    """Do all of it, a few at a time; the first error is raised when everything has come to its end."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(part: Coroutine[Any, Any, bool]) -> bool:
        async with slots:
            return await part

    results = await asyncio.gather(*(one(part) for part in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result is True for result in results]
