"""Does this endpoint speak MCP, and what does it offer? A handshake and tools/list, as any client would do them.

Two eras of the protocol are alive. The check asks `server/discover` (2026-07-28) first: one request, no state, and only a modern server
answers it; whatever else comes back, short of a refusal for want of credentials, leads to `initialize` (2025-11-25 and older), whose
session is closed at the end. Later checks of the same endpoint start with the era that worked, because some legacy servers open
a session for every request they do not understand. A server that never answers the probe costs a third of the time allowed, not all of it.

An endpoint that wants credentials (401, 403) is reachable: that is not a failure of the server, and the check cannot say more, so the
outcome is unknown rather than false.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import aiohttp

from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.status import Reason

from .mcp_wire import LARGE_BYTES, SESSION_HEADER, VERSION_HEADER, Message, Reply, Wire, WireError, printable

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
METHOD_NOT_FOUND: Final = -32601
TIMEOUT_SECONDS: Final = 15.0
CLEANUP_SECONDS: Final = 2.0
MAX_PAGES: Final = 200
MAX_CURSOR: Final = 4096
_META: Final = "io.modelcontextprotocol/"
_CLIENT: Final = {"name": "mcp-operator", "version": "1"}


class Outcome(StrEnum):
    """Status of the Verified condition."""

    VERIFIED = "True"
    UNKNOWN = "Unknown"
    FAILED = "False"


class Era(StrEnum):
    """Which handshake an endpoint answers."""

    MODERN = "modern"
    LEGACY = "legacy"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What one check found."""

    outcome: Outcome
    reason: Reason
    message: str
    count: int = 0
    hash: str = ""
    protocol_version: str | None = None
    server_name: str | None = None
    era: Era | None = None

    @property
    def reachable(self) -> bool:
        """Whether a server is there, verified or waiting for credentials."""
        return self.outcome != Outcome.FAILED


@dataclass(frozen=True, kw_only=True)
class _Connection:
    """A handshake that succeeded: what every further request carries."""

    era: Era
    version: str
    name: str | None
    headers: dict[str, str]

    def params(self, extra: Message) -> Message:
        return {**extra, "_meta": _modern_meta()} if self.era == Era.MODERN else extra

    def headers_for(self, method: str) -> dict[str, str]:
        return {**self.headers, "Mcp-Method": method} if self.era == Era.MODERN else self.headers


async def check(
    http: aiohttp.ClientSession, url: str, *, timeout: float = TIMEOUT_SECONDS, era: Era | None = None, user_agent: str = "mcp-operator"
) -> Verification:
    """Check the endpoint; never raises for anything the endpoint does. `era` is what an earlier check found."""
    wire = Wire(http, url, user_agent=user_agent, connect_seconds=timeout / 4)
    try:
        async with asyncio.timeout(timeout):
            connection = await _connect(wire, era, timeout)
            tools = await _tools(wire, connection)
            digest = await _hash(tools)
    except WireError as error:
        outcome = Outcome.UNKNOWN if error.reason == Reason.AUTH_REQUIRED else Outcome.FAILED
        return Verification(outcome=outcome, reason=error.reason, message=f"{error}.")
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectionError, OSError) as error:
        return _network_failure(error, timeout)
    except aiohttp.InvalidURL:
        return Verification(outcome=Outcome.FAILED, reason=Reason.UNREACHABLE, message="The URL is malformed.")
    except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, ValueError) as error:
        message = f"The endpoint does not speak HTTP as expected ({type(error).__name__})."
        return Verification(outcome=Outcome.FAILED, reason=Reason.NOT_MCP, message=message)
    finally:
        await _clean_up(wire)
    return Verification(
        outcome=Outcome.VERIFIED,
        reason=Reason.VERIFIED,
        message=f"MCP handshake and tools/list succeeded: {len(tools)} tools, protocol {connection.version}.",
        count=len(tools),
        hash=digest,
        protocol_version=connection.version,
        server_name=connection.name,
        era=connection.era,
    )


def _network_failure(error: Exception, timeout: float) -> Verification:
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        message = f"The endpoint did not answer within {timeout:g} s."
        return Verification(outcome=Outcome.FAILED, reason=Reason.TIMEOUT, message=message)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        cause = "it closed the connection without an answer"
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        cause = "no connection within the time allowed"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = "its name does not resolve"
    elif isinstance(error, aiohttp.ClientSSLError):
        cause = f"TLS failed: {printable(str(error))}"
    else:
        cause = printable(error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__)
    return Verification(outcome=Outcome.FAILED, reason=Reason.UNREACHABLE, message=f"The endpoint cannot be reached: {cause}.")


async def _clean_up(wire: Wire) -> None:
    if not wire.sessions:
        return
    try:
        async with asyncio.timeout(CLEANUP_SECONDS):
            await wire.end_sessions()
    except TimeoutError:
        return


async def _connect(wire: Wire, era: Era | None, timeout: float) -> _Connection:
    if era == Era.LEGACY:
        try:
            return await _initialize(wire)
        except WireError as error:
            found = await _discover(wire, timeout / 3) if error.reason == Reason.NOT_MCP else None
            if found is None:
                raise
            return found
    return await _discover(wire, timeout / 3) or await _initialize(wire)


async def _discover(wire: Wire, patience: float) -> _Connection | None:
    """The modern handshake; None when there is no evidence of a modern server."""
    headers = {VERSION_HEADER: MODERN}
    try:
        async with asyncio.timeout(patience):
            reply = await wire.call("server/discover", {"_meta": _modern_meta()}, {**headers, "Mcp-Method": "server/discover"})
    except TimeoutError as error:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            raise
        return None
    except WireError as error:
        if error.reason == Reason.AUTH_REQUIRED:
            raise
        return None
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
        return None
    result = reply.result or {}
    versions = result.get("supportedVersions")
    if not isinstance(versions, list) or MODERN not in versions:
        return None
    meta = result.get("_meta")
    info = meta.get(f"{_META}serverInfo") if isinstance(meta, dict) else None
    return _Connection(era=Era.MODERN, version=MODERN, name=_name(info), headers=headers)


async def _initialize(wire: Wire) -> _Connection:
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
    reply = await wire.call("initialize", params, {})
    version = (reply.result or {}).get("protocolVersion")
    if not isinstance(version, str):
        raise WireError(Reason.NOT_MCP, f"The endpoint refused the MCP handshake: {_complaint(reply)}")
    headers = {VERSION_HEADER: version} if version.isascii() and version.isprintable() else {}
    if reply.session is not None:
        headers[SESSION_HEADER] = reply.session
    await wire.notify("notifications/initialized", headers)
    info = (reply.result or {}).get("serverInfo")
    return _Connection(era=Era.LEGACY, version=printable(version, 32), name=_name(info), headers=headers)


async def _tools(wire: Wire, connection: _Connection) -> list[Message]:
    """The whole catalogue. A server that knows no tools/list is a server without tools."""
    tools: list[Message] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        params = connection.params({"cursor": cursor} if cursor is not None else {})
        reply = await wire.call("tools/list", params, connection.headers_for("tools/list"))
        if reply.result is None:
            if reply.error_code == METHOD_NOT_FOUND and not tools:
                return []
            raise WireError(Reason.NOT_MCP, f"tools/list failed: {reply.error}")
        page = reply.result.get("tools")
        if not isinstance(page, list):
            raise WireError(Reason.NOT_MCP, "tools/list answered without a list of tools")
        tools += [tool for tool in page if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        cursor = reply.result.get("nextCursor")
        if not cursor:
            return tools
        if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR or cursor in seen:
            raise WireError(Reason.NOT_MCP, "tools/list goes in circles: it repeats a cursor or gives one that is no cursor")
        seen.add(cursor)
    raise WireError(Reason.NOT_MCP, f"tools/list has more than {MAX_PAGES} pages")


async def _hash(tools: list[Message]) -> str:
    try:
        return await asyncio.to_thread(catalogue_hash, tools) if len(tools) > LARGE_BYTES // 1024 else catalogue_hash(tools)
    except (RecursionError, UnicodeEncodeError):
        raise WireError(Reason.NOT_MCP, "A tool definition is nested too deeply or is not valid text") from None


def _complaint(reply: Reply) -> str:
    return reply.error if reply.error_code is not None else f"no protocolVersion in the reply (HTTP {reply.status})"


def _modern_meta() -> Message:
    return {f"{_META}protocolVersion": MODERN, f"{_META}clientInfo": _CLIENT, f"{_META}clientCapabilities": {}}


def _name(info: Any) -> str | None:
    name = info.get("name") if isinstance(info, dict) else None
    return printable(name, 128) or None if isinstance(name, str) else None
