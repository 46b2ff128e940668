"""Replies over TLS that are given up while the other side hangs: their connections end with them."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from devcluster import pki
from mcp_optimizer.http_client import open_session
from mcp_optimizer.kube import KubeClient
from mcp_optimizer.ration import Ration
from mcp_optimizer.upstream.wire import Bounds, Wire

LISTED = json.dumps({"metadata": {"resourceVersion": "5"}, "items": []})
CHANGED = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "6"}}}) + "\n"
HEAD = "HTTP/1.1 200 OK\r\n"
PATIENCE_SECONDS = 5.0


class Hanging(threading.Thread):
    """Serves one connection over TLS: these replies, a request for each, and then not one byte more."""

    def __init__(self, folder: Path, *replies: str) -> None:
        super().__init__(daemon=True)
        ca = pki.authority("ca")
        pki.issue(ca, "server", hosts=["127.0.0.1"]).write(folder, "server")
        self.trusted = ssl.create_default_context(cadata=ca.certificate_pem.decode())
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._replies = replies
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._door.getsockname()[1]}"
        self.hung_up = False
        """Whether the client ended the connection itself, and did not wait for our part of the ceremony."""

    def run(self) -> None:
        plain, _ = self._door.accept()
        below = socket.socket(fileno=os.dup(plain.fileno()))
        with self._door, below, self._tls.wrap_socket(plain, server_side=True) as client:
            for reply in self._replies:
                client.recv(65536)
                client.sendall(reply.encode())
            below.settimeout(PATIENCE_SECONDS)
            with contextlib.suppress(TimeoutError):
                with contextlib.suppress(ConnectionResetError):
                    while below.recv(65536):
                        pass
                self.hung_up = True


async def give_up_a_watch(server: Hanging) -> None:
    client = KubeClient(server.url, server.trusted)
    async with contextlib.aclosing(client.list_and_watch("/api/v1/pods")) as events:
        assert [(await anext(events)).kind, (await anext(events)).kind] == ["listed", "changed"]
    await client.close()


async def give_up_a_call(server: Hanging) -> None:
    async with open_session(limit=0) as session:
        session.connector._ssl = server.trusted  # type: ignore[union-attr]
        wire = Wire(session, Ration(1_000_000), Bounds())
        with pytest.raises(TimeoutError):
            await wire.post(server.url, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {}, 0.5)
        # What is pooled when the session ends is cut by aiohttp itself.
        await asyncio.to_thread(server.join)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("give_up", "replies"),
    [
        (
            give_up_a_watch,
            [
                f"{HEAD}Content-Length: {len(LISTED)}\r\n\r\n{LISTED}",
                f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{len(CHANGED):x}\r\n{CHANGED}\r\n",
            ],
        ),
        (give_up_a_call, []),
        (give_up_a_call, [f"{HEAD}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n"]),
    ],
    ids=["watch", "call-unanswered", "call-answered-in-part"],
)
def test_a_tls_connection_that_is_given_up_does_not_wait_for_a_server_that_hangs(
    give_up: Callable[[Hanging], Coroutine[Any, Any, None]], replies: list[str], new_loop: Any, tmp_path: Path
) -> None:
    server = Hanging(tmp_path, *replies)
    server.start()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(give_up(server))
        runner.run(asyncio.to_thread(server.join))
    assert server.hung_up
