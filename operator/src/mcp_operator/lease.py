"""Leader election over a Lease, in front of everything else: a process that does not hold it holds no watch and writes nothing.

Expiry is judged by how long the Lease has not changed as seen from here, never by comparing clocks. Losing the Lease ends the process at
once: a paused leader that wakes up must not finish what it was doing. A second leader for a moment is harmless all the same, because
both would apply the same desired state.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from .client import Client
from .errors import ConflictError, OperatorError
from .kinds import LEASE, Manifest

DURATION = 15.0
DEADLINE = 10.0
PERIOD = 2.0

log = logging.getLogger(__name__)


def end_process() -> None:
    """Without clean-up: nothing of ours may run any more."""
    os._exit(1)


class Lease:
    """One contender."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        identity: str,
        name: str,
        duration: float = DURATION,
        deadline: float = DEADLINE,
        period: float = PERIOD,
        on_lost: Callable[[], None] = end_process,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration, self._deadline, self._period = duration, deadline, period
        self._on_lost = on_lost
        self._now = monotonic
        self._seen: tuple[object, float] = (None, 0.0)  # the foreign Lease's version, and since when we have seen it
        self._held: Manifest | None = None

    async def acquire(self) -> None:
        """Wait until this process is the leader."""
        log.info("Waiting for the Lease", extra={"lease": f"{self._namespace}/{self._name}", "identity": self._identity})
        while not await self._try():  # noqa: ASYNC110
            await asyncio.sleep(self._period)
        log.info("Acquired the Lease", extra={"identity": self._identity})

    async def hold(self) -> None:
        """Renew until cancelled; when that fails for too long, end the process."""
        renewed = self._now()
        while True:
            await asyncio.sleep(self._period)
            left = self._deadline - (self._now() - renewed)
            try:
                if left > 0:
                    async with asyncio.timeout(left):
                        if await self._try():
                            renewed = self._now()
                            continue
            except TimeoutError:
                pass
            except Exception:
                # Whatever it is: a leader that silently stops renewing would go on writing beside the next one.
                log.exception("Could not renew the Lease")
            if self._held is None or self._now() - renewed >= self._deadline:
                log.error("Lost the Lease", extra={"identity": self._identity})
                self._on_lost()
                return

    async def release(self) -> None:
        """Let the next one take over at once."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            await self._client.replace(LEASE, self._document(held, holder="", duration=1))
        except OperatorError as error:
            log.warning("Could not release the Lease: %s", error)

    async def _try(self) -> bool:
        """Take or renew the Lease; False when somebody else has it, or the API server does not answer."""
        try:
            if self._held is not None:
                return await self._renew(self._held)
            found = await self._client.get(LEASE, self._namespace, self._name)
            if found is None:
                self._held = await self._client.create(LEASE, self._document(None))
                return True
            if self._expired(found):
                self._held = await self._client.replace(LEASE, self._document(found))
                return True
        except ConflictError:
            self._held = None  # somebody wrote it: not ours, or not ours any more
        except OperatorError as error:
            log.warning("Could not reach the Lease: %s", error)
        return False

    async def _renew(self, held: Manifest) -> bool:
        try:
            self._held = await self._client.replace(LEASE, self._document(held))
        except ConflictError:
            # An earlier renewal may have been written although its answer was lost. Then the Lease is still ours.
            found = await self._client.get(LEASE, self._namespace, self._name)
            if found is None or (found.get("spec") or {}).get("holderIdentity") != self._identity:
                raise
            self._held = await self._client.replace(LEASE, self._document(found))
        return True

    def _expired(self, lease: Manifest) -> bool:
        spec = lease.get("spec") or {}
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = (version, self._now())
        if not spec.get("holderIdentity") or spec["holderIdentity"] == self._identity:
            return True
        return self._now() - self._seen[1] >= float(spec.get("leaseDurationSeconds") or self._duration)

    def _document(self, old: Manifest | None, *, holder: str | None = None, duration: int | None = None) -> Manifest:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict((old or {}).get("spec") or {})
        identity = self._identity if holder is None else holder
        if spec.get("holderIdentity") != identity:
            spec |= {"acquireTime": stamp, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (old is not None)}
        spec |= {"holderIdentity": identity, "renewTime": stamp, "leaseDurationSeconds": duration or int(self._duration)}
        metadata = {"name": self._name, "namespace": self._namespace}
        if old is not None:
            metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
