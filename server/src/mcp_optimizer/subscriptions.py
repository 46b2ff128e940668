"""Resources that clients want to hear of, watched at their servers for as long as one client listens."""

from collections import OrderedDict
from typing import Final

from mcp_types import INVALID_PARAMS

from . import naming
from .changes import MAX_URIS, Subscriber
from .errors import BAD_REQUEST, TOO_MANY, CallFailure, RpcError
from .invoke import Invoker
from .snapshot import Snapshot
from .upstream.extras import MAX_KEY
from .upstream.upstream import Offer
from .upstream.watch import Watch

MAX_SESSIONS: Final = 1000
"""Of legacy clients that subscribed: those who did longest ago are forgotten first."""


def own_uri(uri: str, route: str | None) -> tuple[str, str]:
    """Server and the URI that it knows, of a URI as clients of this route know it; the latter is empty when there is none."""
    return (route, uri) if route is not None else naming.split_uri(uri)


def check_length(uri: str, route: str | None) -> None:
    """Raises `CallFailure` for a URI longer than any that is listed: it would be kept, and sent on, for as long as somebody listens."""
    _, own = own_uri(uri, route)
    if len(own) > MAX_KEY:
        text = f"the URI has {len(own)} characters, at most {MAX_KEY} are served: take one from resources/list"
        raise CallFailure(BAD_REQUEST, text, RpcError(INVALID_PARAMS, text))


def served(snapshot: Snapshot, uri: str, route: str | None) -> bool:
    """Whether changes of this resource can be heard of: its server has to say that it tells."""
    server, own = own_uri(uri, route)
    return bool(own) and server in snapshot.offers and tells(snapshot.offers[server][1])


def tells(offer: Offer) -> bool:
    """Whether the server tells of changed resources."""
    return bool(offer.capabilities.get("resources", {}).get("subscribe"))


class Watching:
    """What one stream has watched. A URI that no server can have is never heard of."""

    def __init__(self, subscriber: Subscriber, invoker: Invoker) -> None:
        self._subscriber = subscriber
        self._invoker = invoker
        self._watched: dict[str, tuple[Watch, str]] = {}
        subscriber.on_servers = self.renew
        self.renew()

    def add(self, uri: str) -> None:
        """One more."""
        if uri not in self._subscriber.uris:
            self._subscriber.uris.add(uri)
            self.renew()

    def remove(self, uri: str) -> None:
        """One fewer."""
        self._subscriber.uris.discard(uri)
        self._forget(uri)

    def close(self) -> None:
        """The stream is over."""
        for uri in list(self._watched):
            self._forget(uri)

    def renew(self) -> None:
        """Watch at the servers there are now: one may be new, or another under the same name."""
        try:
            offers = self._invoker.snapshot().offers
        except CallFailure:
            return
        for uri in self._subscriber.uris:
            server, own = own_uri(uri, self._subscriber.server)
            watch = offers[server][0].watch if own and server in offers else None
            known = self._watched.get(uri)
            if known is not None and known[0] is watch:
                continue
            self._forget(uri)
            if watch is not None:
                watch.add(own)
                self._watched[uri] = (watch, own)

    def _forget(self, uri: str) -> None:
        known = self._watched.pop(uri, None)
        if known is not None:
            known[0].remove(known[1])


class Sessions:
    """What legacy clients subscribed to on this replica: in that protocol the request comes by itself and the stream by another one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, set[str]] = OrderedDict()
        self._streams: dict[str, Watching] = {}
        """Apart from what is kept, and only while they are open: a stream of a session that nobody knows pushes out no other's URIs."""

    def subscribe(self, session: str, uri: str) -> None:
        """Tell this session of the resource. Raises `CallFailure` beyond MAX_URIS."""
        kept = self._kept.get(session, set())
        if len(kept) >= MAX_URIS and uri not in kept:
            raise CallFailure(TOO_MANY, f"{MAX_URIS} resources are subscribed to already: unsubscribe from one")
        kept.add(uri)
        self._kept[session] = kept
        self._kept.move_to_end(session)
        while len(self._kept) > MAX_SESSIONS:
            self._kept.popitem(last=False)
        if session in self._streams:
            self._streams[session].add(uri)

    def unsubscribe(self, session: str, uri: str) -> None:
        """No longer."""
        self._kept.get(session, set()).discard(uri)
        if session in self._streams:
            self._streams[session].remove(uri)

    def uris(self, session: str) -> set[str]:
        """What it subscribed to."""
        return set(self._kept.get(session, ()))

    def opened(self, session: str, watching: Watching) -> None:
        """Its stream is open: what it subscribes to from now on is watched at once."""
        self._streams[session] = watching
        if session in self._kept:
            self._kept.move_to_end(session)

    def closed(self, session: str, watching: Watching) -> None:
        """That stream is over."""
        if self._streams.get(session) is watching:
            del self._streams[session]
