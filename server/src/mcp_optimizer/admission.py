"""How many requests are served at once, from all clients and from each, and who waits. On the path of every request, so plain counters.

A subscription is a request that stays: it gives its place back (`as_stream`) and counts among the streams instead, so that neither can
starve the other. Probes and metrics have a port of their own.
"""

import asyncio

from mcp_optimizer_api.config import LimitsConfig

from .asgi import Receive, Scope, disconnected
from .clients import client_of
from .errors import TOO_MANY, CallFailure
from .memory import Holding, adopt, current
from .ration import Ration
from .rejection import Busy, ClientLeft
from .slots import NoPlace, Slots


class Ticket(Holding):
    """One request: the place it has taken, and what its large messages hold."""

    __slots__ = ("_admission", "_client", "_placed", "_streams", "retry_after_s")

    def __init__(self, admission: "Admission") -> None:
        super().__init__(admission.memory)
        self._admission = admission
        self._client: str | None = None
        self._placed = self._streams = False
        self.retry_after_s: int | None = None
        """What the answer's headers say about when to come again."""

    def leave(self) -> None:
        """The answer is written: give back everything."""
        self._leave_place()
        if self._streams:
            self._streams = False
            self._admission.streams -= 1
        self.release()

    def become_stream(self) -> None:
        """Go on as a subscription. Raises `CallFailure` (429) when there are too many."""
        admission = self._admission
        if admission.streams >= admission.limits.max_streams:
            limit = admission.limits.max_streams
            raise CallFailure(TOO_MANY, f"{limit} subscriptions are open, limits.maxStreams of this endpoint: try again later")
        admission.streams += 1
        self._streams = True
        self._leave_place()

    def _leave_place(self) -> None:
        if self._placed:
            self._placed = False
            self._admission.slots.give()
        if self._client is not None:
            self._admission.forget(self._client)
            self._client = None


class Admission:
    """The bounds of one process."""

    def __init__(self, memory: Ration) -> None:
        self.memory = memory
        self.limits = LimitsConfig()
        self.slots = Slots(self.limits.max_in_flight, self.limits.queue_max, self.limits.queue_seconds)
        self.streams = 0
        self._clients: dict[str, int] = {}

    def configure(self, limits: LimitsConfig) -> None:
        """New bounds, for whoever comes next."""
        self.limits = limits
        self.slots.resize(limits.max_in_flight, limits.queue_max, limits.queue_seconds)

    def ticket(self) -> Ticket:
        """For a request that begins; `leave` at its end, whatever happens."""
        ticket = Ticket(self)
        adopt(ticket)
        return ticket

    async def enter(self, ticket: Ticket, scope: Scope, receive: Receive) -> None:
        """Take a place, at once or after a wait. Raises `Busy`, or `ClientLeft` when nobody waits any more."""
        if self.limits.max_in_flight_per_client is not None:
            self._count(ticket, self.limits.max_in_flight_per_client, scope)
        if not self.slots.take_now():
            await self._wait(receive)
        ticket._placed = True

    def forget(self, client: str) -> None:
        """One request less from this address."""
        left = self._clients[client] - 1
        if left:
            self._clients[client] = left
        else:
            del self._clients[client]

    def _count(self, ticket: Ticket, most: int, scope: Scope) -> None:
        client = client_of(scope)
        taken = self._clients.get(client, 0)
        if taken >= most:
            text = f"{most} requests from this address are being answered, limits.maxInFlightPerClient of this endpoint"
            raise Busy("client_limit", "limits.maxInFlightPerClient", text, 1)
        self._clients[client] = taken + 1
        ticket._client = client

    async def _wait(self, receive: Receive) -> None:
        turn = asyncio.ensure_future(self.slots.take())
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait([turn, gone], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._withdraw(turn)
            raise
        finally:
            gone.cancel()
        if not turn.done():
            self._withdraw(turn)
            raise ClientLeft
        try:
            turn.result()
        except NoPlace as refused:
            raise self._busy(refused) from None

    def _withdraw(self, turn: "asyncio.Future[None]") -> None:
        """Leave the line; a place that was given meanwhile goes to the next."""
        if not turn.cancel() and not turn.cancelled() and turn.exception() is None:
            self.slots.give()

    def _busy(self, refused: NoPlace) -> Busy:
        limits = self.limits
        if refused.reason == "queue_full" and limits.queue_max:
            text = f"{limits.max_in_flight} requests are being answered and {limits.queue_max} wait, limits.queue.max of this endpoint"
            return Busy(refused.reason, "limits.queue.max", text, limits.queue_seconds)
        text = f"{limits.max_in_flight} requests are being answered, limits.maxInFlight of this endpoint"
        return Busy(refused.reason, "limits.maxInFlight", text, limits.queue_seconds)


def as_stream() -> None:
    """The request in whose name this code runs stays open as a subscription. Raises `CallFailure` (429) when too many are."""
    ticket = current()
    if isinstance(ticket, Ticket):
        ticket.become_stream()


def advise(seconds: int | None) -> None:
    """The answer to the request in whose name this code runs should say when the same one may pass."""
    ticket = current()
    if isinstance(ticket, Ticket):
        ticket.retry_after_s = seconds
