"""The HTTP clients of this process: one way to make them."""

from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey

KEEP_ALIVE_SECONDS = 15.0
"""How long a connection waits for its next request."""
MAX_CONNECTIONS = 100


class Connector(aiohttp.TCPConnector):
    """A pool of connections, of which each TLS connection that is given up in the middle of a reply is cut.

    Closed in order it would wait for a server that hangs, 30 s long and counted by no limit of ours (docs/decisions/0036).
    """

    def _release(self, key: "ConnectionKey", protocol: "ResponseHandler", *, should_close: bool = False) -> None:
        if key.is_ssl and (should_close or protocol.should_close):
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


def open_session(*, limit: int = MAX_CONNECTIONS, keep_alive_seconds: float = KEEP_ALIVE_SECONDS, **more: Any) -> aiohttp.ClientSession:
    """A session without cookies and without proxies from the environment. `limit`: connections, 0 for any number; `more`: for `ClientSession`."""
    connector = Connector(limit=limit, keepalive_timeout=keep_alive_seconds)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **more)
