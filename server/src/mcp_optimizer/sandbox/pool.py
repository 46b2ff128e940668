"""The warm Pods that this process knows, kept from a watch: a claim is a lookup in memory, never a question to the API server."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from mcp_optimizer.kube import Event

from .line import Line
from .pods import DELETED, SandboxPod, parse
from .replicas import is_replica
from .shelf import Shelf

RECHECK_SECONDS = 0.25
"""While somebody waits: penalties end and keys arrive without an event of the watch."""
PENALTY_SECONDS = 5.0
REMEMBERED_ENDS = 1000

Eligible = Callable[[SandboxPod], bool]


class WarmPool:
    """Pods that may be claimed. What was taken is never offered again: a Pod runs one job.

    Those of the own shard (`mine`) come first, and of each shard any one: replicas that see the same Pods rarely try the same one.
    """

    def __init__(
        self, eligible: Eligible, *, mine: Callable[[str], bool] = lambda uid: True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._eligible = eligible
        self._mine = mine
        self._clock = clock
        self._pods: dict[str, SandboxPod] = {}
        self._taken: set[str] = set()
        self._resting: dict[str, float] = {}
        """Until when a Pod is left alone."""
        self._own, self._foreign = Shelf(), Shelf()
        self._waiting: Line[SandboxPod] = Line()
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._ended: dict[str, str] = {}

    @property
    def warm(self) -> int:
        """Pods that look claimable."""
        resting = sum(1 for uid in self._resting if uid not in self._taken and uid in self._pods and self._pods[uid].warm)
        return len(self._own) + len(self._foreign) + resting

    def templates(self) -> Counter[str]:
        """The templates of the Pods that are there, and how many of each are warm and free."""
        found: Counter[str] = Counter()
        for uid, pod in self._pods.items():
            found[pod.template] += pod.warm and uid not in self._taken
        return found

    def apply(self, event: Event) -> None:
        """Take in what the watch says."""
        pods = [pod for manifest in event.objects if not is_replica(manifest) and (pod := parse(manifest)) is not None]
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
                self._place(pod.uid)
                if pod.end and pod.end != DELETED:
                    self._note_end(pod.uid, pod.end)
        self._serve()

    def share_out(self) -> None:
        """The replicas are others now: look again which Pods are of the own shard."""
        for uid in self._pods:
            self._place(uid)

    def clear(self) -> None:
        """Offer nothing of what is known: the pool is another one now. Its Pods have not ended, and jobs may run in them."""
        self._pods.clear()
        self._own, self._foreign = Shelf(), Shelf()

    async def take(self, seconds: float, *, client: str = "", first: bool = False) -> SandboxPod | None:
        """A warm Pod for the caller alone, or None when none came within `seconds`; clients that wait take turns.

        `first`: ahead of those who wait already.
        """
        if (first or not self._waiting) and (pod := self._pick()) is not None:
            return pod
        turn = self._waiting.join(client, first=first)
        deadline = self._clock() + seconds
        try:
            while not turn.done() and (left := deadline - self._clock()) > 0:
                await asyncio.wait([turn], timeout=min(left, RECHECK_SECONDS))
                self._serve()
            return turn.result() if turn.done() else None
        except asyncio.CancelledError:
            if turn.done():
                self.give_back(turn.result())
            raise
        finally:
            self._waiting.leave(client, turn)

    def give_back(self, pod: SandboxPod) -> None:
        """Nothing was sent to it: offer it to the next."""
        self._taken.discard(pod.uid)
        self._place(pod.uid)
        self._serve()

    def penalise(self, pod: SandboxPod) -> None:
        """It could not be reached: leave it alone for a while, then it may be offered again."""
        self._taken.discard(pod.uid)
        self._rest(pod.uid, PENALTY_SECONDS)

    async def end_of(self, pod: SandboxPod, seconds: float | None) -> str:
        """Why a Pod ended, if the watch tells within `seconds` (None: whenever it does); empty otherwise."""
        if pod.uid in self._ended:
            return self._ended[pod.uid]
        future = self._asked.setdefault(pod.uid, asyncio.get_running_loop().create_future())
        await asyncio.wait([future], timeout=seconds)
        return future.result() if future.done() else ""

    def _pick(self) -> SandboxPod | None:
        """A claimable Pod: of the own shard if there is one, else of any other. Its cost does not grow with the pool."""
        if self._resting:
            self._wake()
        while shelf := self._own or self._foreign:
            uid = shelf.any()
            pod = self._pods[uid]
            if self._eligible(pod):
                self._taken.add(uid)
                self._place(uid)
                return pod
            # Its key may arrive yet. Looking at it again and again meanwhile would cost everybody else.
            self._rest(uid, RECHECK_SECONDS)
        return None

    def _serve(self) -> None:
        while self._waiting and (pod := self._pick()) is not None:
            if (turn := self._waiting.next()) is not None:
                turn[1].set_result(pod)

    def _place(self, uid: str) -> None:
        """Onto the shelf where it belongs now, or off both."""
        free = uid in self._pods and self._pods[uid].warm and uid not in self._taken and uid not in self._resting
        mine = free and self._mine(uid)
        self._own.put(uid, mine)
        self._foreign.put(uid, free and not mine)

    def _rest(self, uid: str, seconds: float) -> None:
        self._resting[uid] = self._clock() + seconds
        self._place(uid)

    def _wake(self) -> None:
        now = self._clock()
        for uid in [uid for uid, until in self._resting.items() if until <= now]:
            del self._resting[uid]
            self._place(uid)

    def _forget(self, uid: str, end: str = "") -> None:
        self._pods.pop(uid, None)
        self._taken.discard(uid)
        self._resting.pop(uid, None)
        self._place(uid)
        self._note_end(uid, end or DELETED)

    def _note_end(self, uid: str, end: str) -> None:
        """The first reason stays: what comes later is only the deletion of what ended already."""
        self._ended.setdefault(uid, end)
        while len(self._ended) > REMEMBERED_ENDS:
            del self._ended[next(iter(self._ended))]
        future = self._asked.pop(uid, None)
        if future is not None and not future.done():
            future.set_result(self._ended.get(uid, end))
