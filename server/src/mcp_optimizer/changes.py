"""Who wants to know what changed, and what did: from servers' catalogues and resources to clients' streams.

Nothing is queued: a subscriber has a set of things that changed since it last looked. So a slow one costs as much as a fast one, and a server
that changes all the time costs its readers one line each time they look.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import orjson

from .naming import entry_uri
from .snapshot import Snapshot
from .tools.definitions import definitions
from .upstream.upstream import Offer

List = Literal["tools", "prompts", "resources"]
Change = tuple[Literal["list"], List] | tuple[Literal["resource"], str]
"""A list that changed, or the URI of a resource that did, as the subscriber knows it."""
MAX_URIS: Final = 100


def _nothing() -> None:
    return


class Subscriber:
    """One stream's view. `server` is that of its route; None on the endpoint of all, where URIs are namespaced."""

    def __init__(self, server: str | None, lists: Iterable[List], uris: Iterable[str]) -> None:
        self.server = server
        self.lists = frozenset(lists)
        self.uris = set(uris)
        self.on_servers: Callable[[], None] = _nothing
        """Called when servers came, went or were replaced."""
        self.closed = False
        self._changed: set[Change] = set()
        self._woken = asyncio.Event()

    def tell(self, change: Change) -> None:
        """Something changed: nothing happens when it is not wanted."""
        if change[1] in (self.lists if change[0] == "list" else self.uris):
            self._changed.add(change)
            self._woken.set()

    def close(self) -> None:
        """End the stream after what is due."""
        self.closed = True
        self._woken.set()

    async def next(self) -> list[Change]:
        """What changed since the last time, at least one thing; empty when the stream is over."""
        while not self._changed and not self.closed:
            self._woken.clear()
            await self._woken.wait()
        changed, self._changed = sorted(self._changed), set()
        return changed


class Changes:
    """Everybody who listens, and what they last knew."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()
        self._closed = False
        self._before: Snapshot | None = None

    @property
    def streams(self) -> int:
        """Open streams."""
        return len(self._subscribers)

    def add(self, subscriber: Subscriber) -> None:
        """Tell this one from now on."""
        self._subscribers.add(subscriber)
        if self._closed:
            subscriber.close()

    def remove(self, subscriber: Subscriber) -> None:
        """It is gone."""
        self._subscribers.discard(subscriber)

    def close(self) -> None:
        """End all streams, those to come too."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.close()

    def compare(self, snapshot: Snapshot) -> None:
        """A snapshot came into force."""
        before, self._before = self._before, snapshot
        if before is None or not self._subscribers:
            return
        if _servers(before) != _servers(snapshot):
            for subscriber in self._subscribers:
                subscriber.on_servers()
        changed = _changed_lists(before, snapshot)
        for subscriber in self._subscribers:
            for server, name in changed:
                if subscriber.server in (None, server) or server is None:
                    subscriber.tell(("list", name))

    def resource(self, server: str, uri: str) -> None:
        """A server says that its resource changed."""
        namespaced = entry_uri(server, uri)
        for subscriber in self._subscribers:
            if subscriber.server is None:
                subscriber.tell(("resource", namespaced))
            elif subscriber.server == server:
                subscriber.tell(("resource", uri))


def _changed_lists(before: Snapshot, after: Snapshot) -> set[tuple[str | None, List]]:
    """Lists that a client would now see differently, with the server that is the cause; None for all routes."""
    if before.config.mode != "mcp_only" or after.config.mode != "mcp_only":
        same = before.config.mode == after.config.mode and _listed(before) == _listed(after)
        return set() if same else {(None, "tools"), (None, "prompts"), (None, "resources")}
    found: set[tuple[str | None, List]] = set()
    nothing = Offer()
    for server in {*before.offers, *after.offers}:
        old, new = (snapshot.offers[server][1] if server in snapshot.offers else nothing for snapshot in (before, after))
        if old is new:
            continue
        if old.hash != new.hash:
            found.add((server, "tools"))
        if old.extras.prompts != new.extras.prompts:
            found.add((server, "prompts"))
        if (old.extras.resources, old.extras.templates) != (new.extras.resources, new.extras.templates):
            found.add((server, "resources"))
    return found


def _servers(snapshot: Snapshot) -> list[int]:
    return [id(upstream) for upstream, _ in snapshot.servers]


def _listed(snapshot: Snapshot) -> Any:
    return orjson.dumps([*definitions(snapshot.config), *(tool.listed for tool in snapshot.pinned.values())], default=str)
