"""Resources that clients want to hear of, watched at their servers for as long as one client listens."""

import contextlib
from collections.abc import AsyncIterator

from . import naming
from .changes import Subscriber
from .errors import CallFailure
from .invoke import Invoker


@contextlib.asynccontextmanager
async def watched(subscriber: Subscriber, invoker: Invoker) -> AsyncIterator[None]:
    """Watch the stream's resources while the context is open. A URI that no server can have is never heard of."""
    watching = []
    with contextlib.suppress(CallFailure):
        offers = invoker.snapshot().offers
        for uri in subscriber.uris:
            server, own = (subscriber.server, uri) if subscriber.server is not None else naming.split_uri(uri)
            if own and server in offers:
                watching.append((offers[server][0].watch, own))
    for watch, own in watching:
        watch.add(own)
    try:
        yield
    finally:
        for watch, own in watching:
            watch.remove(own)
