"""Kubernetes Events: the history that `kubectl describe` shows beside the present that conditions show.

Told are transitions, at the moment their status is written, and repairs, so that a settled cluster and a restart write none. An Event
is a courtesy: it is sent beside the work, never retried, and dropped when there are too many. The same words about the same object are told once
in ten minutes; an object that cannot make up its mind gets ten Events and then one a minute.
"""

import asyncio
import logging
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final, Protocol

from mcp_optimizer_api.names import API_VERSION

from .client import Client
from .clock import Clock
from .desired.child import Owner
from .errors import OperatorError
from .kinds import EVENT, Manifest

REPEAT_SECONDS: Final = 600.0
BURST: Final = 10
REFILL_SECONDS: Final = 60.0
WAITING: Final = 500
"""Events that may wait to be sent; more are dropped."""
REMEMBERED: Final = 5000
NOTE: Final = 1024
REPORTER: Final = "mcp.optimizer.dev/operator"

log = logging.getLogger(__name__)


class Tell(Protocol):
    """Say something about a resource."""

    def __call__(self, owner: Owner, reason: str, note: str, *, action: str, warning: bool = False) -> None:
        """`reason` and `action` in CamelCase; `note` for people."""


def silent(owner: Owner, reason: str, note: str, *, action: str, warning: bool = False) -> None:
    """Where nobody listens."""


class Events:
    """Writes Events about custom resources, a few at a time."""

    def __init__(self, client: Client, instance: str, clock: Clock) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._budgets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # uid -> what is left, as of when
        self._queue: asyncio.Queue[Manifest] = asyncio.Queue(WAITING)
        self._sender: asyncio.Task[None] | None = None

    def tell(self, owner: Owner, reason: str, note: str, *, action: str, warning: bool = False) -> None:
        """Write it soon, unless it was said lately or too much was."""
        now = self._clock()
        if self._said_lately((owner.uid, reason, note), now) or not self._affordable(owner.uid, now):
            return
        try:
            self._queue.put_nowait(self._event(owner, reason, note[:NOTE], action, warning, now))
        except asyncio.QueueFull:
            return
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="events")

    async def stop(self) -> None:
        """Give up what waits."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._client.create(EVENT, event)
            except OperatorError as error:
                log.info("Could not write an Event: %s", error)
            except Exception:
                log.exception("Could not write an Event")

    def _said_lately(self, words: tuple[str, str, str], now: float) -> bool:
        if now - self._told.get(words, float("-inf")) < REPEAT_SECONDS:
            return True
        self._told[words] = now
        self._told.move_to_end(words)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return False

    def _affordable(self, uid: str, now: float) -> bool:
        left, since = self._budgets.pop(uid, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / REFILL_SECONDS)
        self._budgets[uid] = (left - 1 if left >= 1 else left, now)
        while len(self._budgets) > REMEMBERED:
            self._budgets.popitem(last=False)
        return left >= 1

    def _event(self, owner: Owner, reason: str, note: str, action: str, warning: bool, now: float) -> Manifest:
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{owner.name}.{uuid.uuid4().hex[:16]}", "namespace": owner.namespace},
            "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": REPORTER,
            "reportingInstance": self._instance[:128],
            "action": action,
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "note": note,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": owner.key.kind,
                "name": owner.name,
                "namespace": owner.namespace,
                "uid": owner.uid,
            },
        }
