"""What went wrong with a request to a server, in the words of the one interface that errors are: what, why, and what to do."""

import re
from typing import Any

import aiohttp

from mcp_optimizer.errors import BAD_GATEWAY, FORBIDDEN, TIMEOUT, TOO_MANY, UNAVAILABLE, CallFailure, ServerFault
from mcp_optimizer.memory import MemoryFull

from .plain import NotConnected
from .wire import NotMcp, Reply, ReplyTooLarge

NOT_CONNECTED = (NotConnected, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""No connection came about, so no byte of a request was sent."""
FAILURES = (TimeoutError, ReplyTooLarge, MemoryFull, NotMcp, aiohttp.ClientError, OSError, ValueError, ServerFault)
"""What `failure` knows how to tell."""
MAX_WAIT_SECONDS = 3600
"""A server that wants to be left alone for longer is not quoted."""


def failure(error: BaseException, name: str, *, timeout: float, max_reply: int, asked: bool) -> CallFailure:
    """What `error`, one of `FAILURES`, means for the call. `asked`: the request itself may have been sent, not only a handshake before it."""
    if isinstance(error, ServerFault):
        error.nothing_sent = not asked
        return error
    if isinstance(error, NOT_CONNECTED):
        return ServerFault(BAD_GATEWAY, f"server {name} cannot be reached: {_reason(error)}", nothing_sent=True)
    if isinstance(error, TimeoutError):
        return ServerFault(TIMEOUT, f"server {name} did not answer within {round(timeout, 1):g} s", nothing_sent=not asked)
    if isinstance(error, ReplyTooLarge):
        return CallFailure(
            BAD_GATEWAY, f"server {name} sent more than {_size(max_reply)} or half a million values in one reply: ask for less"
        )
    if isinstance(error, MemoryFull):
        text = f"server {name} answered, but large messages fill the memory of this endpoint: ask for less, or later; the call was made"
        return CallFailure(UNAVAILABLE, text)
    text = str(error) if isinstance(error, NotMcp) else f"cannot be reached: {_reason(error)}"
    return ServerFault(BAD_GATEWAY, f"server {name} {text}", nothing_sent=not asked)


def accepted(name: str, reply: Reply) -> dict[str, Any]:
    """The JSON-RPC response in `reply`. Raises `CallFailure` where the HTTP status says that there is none to rely on."""
    if reply.message is None or is_busy(reply):
        raise refusal(name, reply)
    if reply.status >= 500:
        raise ServerFault(BAD_GATEWAY, f"server {name} answered HTTP {reply.status}: {error_text(reply.message)}")
    return reply.message


def is_busy(reply: Reply) -> bool:
    """Whether the server wants to be asked another time, whatever else it says."""
    return reply.status in (429, 503)


def refusal(name: str, reply: Reply) -> CallFailure:
    """What an HTTP status means that counts for more than the JSON-RPC response, if there is one.

    The sentence does not vary with the wait: breakers and status quote it, and tell what differs anew.
    """
    status = reply.status
    words = error_text(reply.message) if reply.message is not None and "error" in reply.message else "try again later"
    if status in (401, 403):
        return CallFailure(FORBIDDEN, f"server {name} refuses this gateway ({status}): its administrator must grant access")
    if status == 429:
        return CallFailure(TOO_MANY, f"server {name} is limiting its callers (429): {words}", retry_after_s=_wait_of(reply))
    if status == 503:
        return ServerFault(UNAVAILABLE, f"server {name} is not available (503): {words}", retry_after_s=_wait_of(reply))
    return ServerFault(BAD_GATEWAY, f"server {name} answered HTTP {status}, which is not MCP: check its url and path")


def _wait_of(reply: Reply) -> int | None:
    """Its Retry-After, where that is a number of seconds that makes sense."""
    told = reply.headers.get("Retry-After", "")
    seconds = int(told) if re.fullmatch(r"\d{1,5}", told, re.ASCII) else 0
    return seconds if 1 <= seconds <= MAX_WAIT_SECONDS else None


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count % (1 << 20) == 0 else f"{count} bytes"


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def error_code(message: dict[str, Any] | None) -> int | None:
    error = (message or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else None


def error_text(message: dict[str, Any]) -> str:
    error = message.get("error")
    return str(error.get("message", ""))[:500] if isinstance(error, dict) else str(error)[:500]
