"""A line in which clients take turns: who asks for much waits behind its own requests, not in front of everybody else's."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Waiting turns by client, first come first served within one. Joining and leaving cost what one client has waiting at most."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[asyncio.Future[T]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def of(self, client: str) -> int:
        """How many of one client wait."""
        return len(self._clients.get(client, ()))

    @property
    def clients(self) -> Iterable[str]:
        """Who waits."""
        return self._clients.keys()

    def join(self, client: str, *, first: bool = False) -> "asyncio.Future[T]":
        """A turn that somebody will resolve. `first`: ahead of everybody, for who had a turn that came to nothing."""
        turn: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiting = self._clients.setdefault(client, deque())
        (waiting.appendleft if first else waiting.append)(turn)
        if first:
            self._clients.move_to_end(client, last=False)
        self._length += 1
        return turn

    def leave(self, client: str, turn: "asyncio.Future[T]") -> None:
        """Give up a turn that has not come; harmless when it has."""
        waiting = self._clients.get(client, deque())
        if turn in waiting:
            waiting.remove(turn)
            self._taken_from(client)

    def next(self, may: Callable[[str], bool] = lambda client: True) -> "tuple[str, asyncio.Future[T]] | None":
        """Whose turn it is among the clients that `may`: off the line, and its client behind the others."""
        client = next((client for client in self._clients if may(client)), None)
        if client is None:
            return None
        turn = self._clients[client].popleft()
        self._clients.move_to_end(client)
        self._taken_from(client)
        return client, turn

    def last_of(self, client: str) -> "asyncio.Future[T]":
        """The turn of a client that came last: off the line."""
        turn = self._clients[client].pop()
        self._taken_from(client)
        return turn

    def _taken_from(self, client: str) -> None:
        self._length -= 1
        if not self._clients[client]:
            del self._clients[client]
