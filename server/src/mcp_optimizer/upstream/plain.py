"""POST over plain HTTP/1.1 on kept connections: what a call to a server inside the cluster needs, and nothing else.

A general client spends more on one request than all the rest of the gateway. This one has no redirects, cookies, proxies, compression or
TLS; whatever is not a plain `http://` URL goes through aiohttp, whose errors this one raises, so that callers know one kind.
"""

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from .line import Line, PlainResponse

MAX_URLS: Final = 4096
_SIMPLE: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+").fullmatch
"""URLs of characters that stand for themselves."""


class NotConnected(aiohttp.ClientOSError):
    """Nobody listens there, or the name is unknown: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads."""

    host: str
    port: int
    head: bytes
    """Request line and the headers that are the same every time."""


class PlainClient:
    """Connections to any number of hosts, unbounded per host: the caller bounds."""

    def __init__(self, headers: Mapping[str, str], keep_alive: float) -> None:
        self._headers = headers
        self._keep_alive = keep_alive
        self._targets: dict[str, Target | None] = {}
        self._idle: dict[tuple[str, int], deque[Line]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def serves(self, url: str) -> bool:
        """Whether requests to this URL may come here."""
        return self._target(url) is not None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], connect_seconds: float) -> PlainResponse:
        """Send, and return when the head of the response is there. Raises aiohttp's errors. The caller releases or closes the response."""
        target = self._target(url)
        if target is None:
            raise ValueError(f"{url} is no plain http URL")
        request = target.head + _lines(headers) + b"content-length: %d\r\n\r\n" % len(body) + body
        line = self._kept(target) or await self._connect(target, connect_seconds)
        try:
            return await line.exchange(request)
        except BaseException:
            line.abort()
            raise

    def close(self) -> None:
        """End idle connections; those in use end with their exchange."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for lines in self._idle.values():
            for line in list(lines):
                line.abort()
        self._idle.clear()

    def keep(self, line: Line) -> None:
        """The exchange on this connection is over and it can carry another."""
        line.idle_since = asyncio.get_running_loop().time()
        lines = self._idle.get(line.key)
        if lines is None:
            lines = self._idle[line.key] = deque()
        lines.append(line)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._keep_alive, self._sweep)

    def lost(self, line: Line) -> None:
        """This connection is closed."""
        lines = self._idle.get(line.key)
        if lines is not None and line.idle_since is not None and line in lines:
            lines.remove(line)

    def _kept(self, target: Target) -> Line | None:
        lines = self._idle.get((target.host, target.port))
        now = asyncio.get_running_loop().time()
        while lines:
            line = lines.pop()
            since, line.idle_since = line.idle_since, None
            if since is not None and now - since < self._keep_alive and line.usable():
                return line
            line.abort()
        return None

    async def _connect(self, target: Target, seconds: float) -> Line:
        key = (target.host, target.port)
        try:
            async with asyncio.timeout(seconds):
                _, line = await asyncio.get_running_loop().create_connection(lambda: Line(self, key), *key)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError(f"no connection within {seconds:g} s") from None
        except OSError as error:
            raise NotConnected(*error.args) from None
        return line

    def _sweep(self) -> None:
        before = asyncio.get_running_loop().time() - self._keep_alive
        for key, lines in list(self._idle.items()):
            while lines and (lines[0].idle_since or 0.0) <= before:
                lines.popleft().abort()
            if not lines:
                del self._idle[key]
        self._sweeping = asyncio.get_running_loop().call_later(self._keep_alive / 2, self._sweep) if self._idle else None

    def _target(self, url: str) -> Target | None:
        try:
            return self._targets[url]
        except KeyError:
            pass
        if len(self._targets) >= MAX_URLS:
            self._targets.clear()
        target = self._targets[url] = _parsed(url, self._headers)
        return target


def _parsed(url: str, headers: Mapping[str, str]) -> Target | None:
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port or 80
    except ValueError:
        return None
    # What would have to be quoted or resolved first is for the general client.
    if parsed.scheme != "http" or not host or parsed.username is not None or not _SIMPLE(url) or "/." in parsed.path:
        return None
    name = f"[{host}]" if ":" in host else host
    shown = name if port == 80 else f"{name}:{port}"
    asked = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
    return Target(host, port, f"POST {asked} HTTP/1.1\r\nHost: {shown}\r\n".encode("ascii") + _lines(headers))


def _lines(headers: Mapping[str, str]) -> bytes:
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise ValueError("a header's value has a line break in it")
    return text.encode()
