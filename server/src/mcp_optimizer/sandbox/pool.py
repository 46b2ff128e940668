"""The warm Pods that this process knows, kept from a watch: a claim is a lookup in memory, never a question to the API server."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from mcp_optimizer.kube import Event

from .pods import DELETED, SandboxPod, parse

RECHECK_SECONDS = 0.25
"""While somebody waits: penalties end and keys arrive without an event of the watch."""
PENALTY_SECONDS = 5.0
REMEMBERED_ENDS = 1000

Eligible = Callable[[SandboxPod], bool]


class WarmPool:
    """Pods that may be claimed. What was taken is never offered again: a Pod runs one job."""

    def __init__(self, eligible: Eligible, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._eligible = eligible
        self._clock = clock
        self._pods: dict[str, SandboxPod] = {}
        self._taken: set[str] = set()
        self._penalties: dict[str, float] = {}
        self._waiting: deque[asyncio.Future[SandboxPod]] = deque()
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._ended: dict[str, str] = {}

    @property
    def warm(self) -> int:
        """Pods that look claimable."""
        return sum(1 for pod in self._pods.values() if pod.warm and pod.uid not in self._taken)

    def apply(self, event: Event) -> None:
        """Take in what the watch says."""
        pods = [pod for manifest in event.objects if (pod := parse(manifest)) is not None]
        if event.kind == "listed":
            listed = {pod.uid for pod in pods}
            for uid in self._pods.keys() - listed:
                self._forget(uid)
            self._taken &= listed
        for pod in pods:
            if event.kind == "deleted":
                self._forget(pod.uid, pod.end)
            else:
                self._pods[pod.uid] = pod
                if pod.end and pod.end != DELETED:
                    self._note_end(pod.uid, pod.end)
        self._serve()

    def clear(self) -> None:
        """Offer nothing of what is known: the pool is another one now. Its Pods have not ended, and jobs may run in them."""
        self._pods.clear()

    async def take(self, seconds: float, *, first: bool = False) -> SandboxPod | None:
        """A warm Pod for the caller alone, or None when none came within `seconds`. `first`: ahead of those who wait already."""
        if (first or not self._waiting) and (pod := self._pick()) is not None:
            return pod
        turn: asyncio.Future[SandboxPod] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        deadline = self._clock() + seconds
        try:
            while not turn.done() and (left := deadline - self._clock()) > 0:
                await asyncio.wait([turn], timeout=min(left, RECHECK_SECONDS))
                self._serve()
            return turn.result() if turn.done() else None
        except asyncio.CancelledError:
            if turn.done():
                self._taken.discard(turn.result().uid)
                self._serve()
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self._waiting.remove(turn)

    def penalise(self, pod: SandboxPod) -> None:
        """It could not be reached: leave it alone for a while, then it may be offered again."""
        self._penalties[pod.uid] = self._clock() + PENALTY_SECONDS
        self._taken.discard(pod.uid)

    async def end_of(self, pod: SandboxPod, seconds: float | None) -> str:
        """Why a Pod ended, if the watch tells within `seconds` (None: whenever it does); empty otherwise."""
        if pod.uid in self._ended:
            return self._ended[pod.uid]
        future = self._asked.setdefault(pod.uid, asyncio.get_running_loop().create_future())
        await asyncio.wait([future], timeout=seconds)
        return future.result() if future.done() else ""

    def _pick(self) -> SandboxPod | None:
        """Any claimable Pod: at random, so that replicas that see the same Pods rarely try the same one."""
        now = self._clock()
        candidates = [
            pod for pod in self._pods.values() if pod.warm and pod.uid not in self._taken and self._penalties.get(pod.uid, 0) <= now
        ]
        while candidates:
            index = random.randrange(len(candidates))
            pod = candidates[index]
            if self._eligible(pod):
                self._taken.add(pod.uid)
                return pod
            candidates[index] = candidates[-1]
            candidates.pop()
        return None

    def _serve(self) -> None:
        while self._waiting and (pod := self._pick()) is not None:
            self._waiting.popleft().set_result(pod)

    def _forget(self, uid: str, end: str = "") -> None:
        self._pods.pop(uid, None)
        self._taken.discard(uid)
        self._penalties.pop(uid, None)
        self._note_end(uid, end or DELETED)

    def _note_end(self, uid: str, end: str) -> None:
        """The first reason stays: what comes later is only the deletion of what ended already."""
        self._ended.setdefault(uid, end)
        while len(self._ended) > REMEMBERED_ENDS:
            del self._ended[next(iter(self._ended))]
        future = self._asked.pop(uid, None)
        if future is not None and not future.done():
            future.set_result(self._ended.get(uid, end))
