"""One listening port: uvicorn, without its signals, on a socket that is bound already, and without losing a connection at the end."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from .asgi import App
from .patience import Patience

KEEP_ALIVE_SECONDS = 75
LAST_CONNECTIONS_SECONDS = 2
"""How long a connection that came at the very end may take to send its request."""


class Listener(uvicorn.Server):
    """Serves `app` until `should_exit`; requests in flight have `finish_seconds` then."""

    def __init__(self, app: App, finish_seconds: int, patience: Patience) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http=patience.protocol(),
                proxy_headers=False,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=finish_seconds,
            )
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, but take in first whoever the kernel has accepted already: closing would reset those connections."""
        self.config.timeout_keep_alive = LAST_CONNECTIONS_SECONDS
        taking_in = [asyncio.ensure_future(self._take_in(connection)) for sock in sockets or () for connection in _accepted(sock)]
        # Synchronous up to the close of the sockets, so that nobody comes in between.
        await super().shutdown(sockets)
        await asyncio.gather(*taking_in, return_exceptions=True)

    async def _take_in(self, connection: socket.socket) -> None:
        def protocol() -> Any:
            return self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Two listeners share one process: signals are its business."""
        yield


def _accepted(sock: socket.socket) -> Iterator[socket.socket]:
    sock.setblocking(False)
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
