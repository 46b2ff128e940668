"""One JSON-RPC exchange with an MCP endpoint over streamable HTTP, as lenient as a client should be and as bounded as an operator must be.

The endpoint is somebody else's program: its replies may be endless, slow, deeply nested or full of control characters. Everything read
from it is limited in size here, and everything shown to people passes `printable`. Bodies that are not JSON-RPC are never quoted: a URL that
points at an internal page would otherwise publish that page in a status.
"""

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from mcp_optimizer_api.status import Reason

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all replies of one check together."""
LARGE_BYTES: Final = 256 * 1024
"""Parsed in a thread: a large catalogue would stop everything else for a quarter of a second."""
EXCERPT: Final = 160
SESSION_HEADER: Final = "Mcp-Session-Id"
VERSION_HEADER: Final = "MCP-Protocol-Version"

Message = dict[str, Any]


class WireError(Exception):
    """The exchange did not give a JSON-RPC reply; `reason` is what the condition will say."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A JSON-RPC reply, with the HTTP status it came with."""

    status: int
    message: Message
    session: str | None

    @property
    def result(self) -> Message | None:
        """The result; None when the reply is an error."""
        result = self.message.get("result")
        return result if isinstance(result, dict) else None

    @property
    def error_code(self) -> int | None:
        """The code of the error, if the reply is one."""
        code = self._error.get("code")
        return code if isinstance(code, int) else None

    @property
    def error(self) -> str:
        """The error for people."""
        return printable(f"{self._error.get('message') or 'no message'} (code {self._error.get('code')}, HTTP {self.status})")

    @property
    def _error(self) -> Message:
        error = self.message.get("error")
        return error if isinstance(error, dict) else {}


class Wire:
    """All exchanges of one check with one endpoint: they share a budget of bytes, and the sessions they leave behind."""

    def __init__(self, http: aiohttp.ClientSession, url: str, *, user_agent: str, connect_seconds: float) -> None:
        self._http = http
        self._url = url
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._bytes_left = MAX_BYTES
        self._next_id = 0
        self.sessions: set[str] = set()
        """Session ids the endpoint has handed out, asked for or not; some servers open one even to refuse a request."""

    async def call(self, method: str, params: Message, headers: Mapping[str, str]) -> Reply:
        """Send a request and wait for its reply."""
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        async with self._post(body, headers) as response:
            _refuse_other_than_mcp(response)
            return Reply(status=response.status, session=_session(response), message=await self._reply(response, self._next_id))

    async def notify(self, method: str, headers: Mapping[str, str]) -> None:
        """Send a notification; what the endpoint thinks of it shows in the next reply."""
        async with self._post({"jsonrpc": "2.0", "method": method}, headers):
            pass

    async def end_sessions(self) -> None:
        """Close what the check has opened. Not every server knows how; that is not worth a word."""
        for session in sorted(self.sessions):
            headers = {SESSION_HEADER: session, "User-Agent": self._user_agent}
            try:
                async with self._http.delete(self._url, headers=headers, timeout=self._timeout, allow_redirects=False):
                    pass
            except (aiohttp.ClientError, OSError):
                return

    def _post(self, body: Message, headers: Mapping[str, str]) -> "_Exchange":
        sent = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity", "User-Agent": self._user_agent, **headers}
        request = self._http.post(self._url, json=body, headers=sent, timeout=self._timeout, allow_redirects=False)
        return _Exchange(request, self.sessions)

    async def _reply(self, response: aiohttp.ClientResponse, wanted: int) -> Message:
        if response.content_type == "text/event-stream":
            async for data in _events(self._chunks(response)):
                message = await _decoded(data)
                if message.get("id") == wanted:
                    return message
            raise WireError(Reason.NOT_MCP, "The event stream ended without a reply")
        body = b"".join([chunk async for chunk in self._chunks(response)])
        return await _decoded(body)

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for chunk in response.content.iter_any():
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise WireError(Reason.NOT_MCP, f"The replies are larger than {MAX_BYTES // 2**20} MiB")
            yield chunk


class _Exchange:
    """The context of one HTTP request that also notes a session id in the answer."""

    def __init__(self, request: Any, sessions: set[str]) -> None:
        self._request = request
        self._sessions = sessions

    async def __aenter__(self) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._request.__aenter__()
        if (session := _session(response)) is not None:
            self._sessions.add(session)
        return response

    async def __aexit__(self, *error: Any) -> None:
        await self._request.__aexit__(*error)


def _session(response: aiohttp.ClientResponse) -> str | None:
    session = response.headers.get(SESSION_HEADER, "")
    return session if session and session.isascii() and session.isprintable() else None


def _refuse_other_than_mcp(response: aiohttp.ClientResponse) -> None:
    if response.status in (401, 403):
        raise WireError(Reason.AUTH_REQUIRED, f"The endpoint answered HTTP {response.status}: it wants credentials")
    if 300 <= response.status < 400:
        target = printable(response.headers.get("Location", "nowhere"))
        raise WireError(Reason.NOT_MCP, f"The endpoint redirects (HTTP {response.status}) to {target}: name the final address")
    if response.status in (502, 503, 504):
        raise WireError(Reason.UNREACHABLE, f"The endpoint answered HTTP {response.status}: nothing serves behind it yet")
    if response.content_type not in ("application/json", "text/event-stream"):
        kind = printable(response.content_type, 64)
        raise WireError(Reason.NOT_MCP, f"The endpoint answered HTTP {response.status} with {kind} instead of MCP: check the path")


async def _decoded(data: bytes) -> Message:
    try:
        message = await asyncio.to_thread(json.loads, data) if len(data) > LARGE_BYTES else json.loads(data)
    except (ValueError, RecursionError):
        raise WireError(Reason.NOT_MCP, "The endpoint answered with broken JSON") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise WireError(Reason.NOT_MCP, "The endpoint answered with JSON that is not JSON-RPC: check the path")
    return message


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each server-sent event that has any: resumable streams open with an event that only carries an id."""
    parts: list[bytes] = []
    data: list[bytes] = []
    async for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            parts.append(chunk)
            continue
        lines = b"".join([*parts, chunk[:cut]]).split(b"\n")[:-1]
        parts = [chunk[cut:]]
        for line in (raw.removesuffix(b"\r") for raw in lines):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line:
                if any(data):
                    yield b"\n".join(data)
                data = []
    if any(data):
        yield b"\n".join(data)


def printable(text: str, limit: int = EXCERPT) -> str:
    """Text of a stranger, fit for a status: one line, no control, format or private characters, at most `limit` characters."""
    shown = "".join(" " if char.isspace() else char for char in text[: 8 * limit] if char.isspace() or unicodedata.category(char)[0] != "C")
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
