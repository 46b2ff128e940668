"""How a request is refused before any tool: an HTTP status for programs, and a JSON-RPC error that says what to change."""

from typing import Any, Final

import orjson

from .asgi import Headers, Send

INVALID_REQUEST: Final = -32600
BUSY: Final = -32000


class Rejected(Exception):
    """The request goes no further. `reason` is one of telemetry's REJECTIONS."""

    def __init__(self, status: int, reason: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.headers = status, reason, headers or []
        self.data: dict[str, Any] | None = None


class Busy(Rejected):
    """Too much at once: the same request may pass after `seconds`. `limit` is the field that bounds it."""

    def __init__(self, reason: str, limit: str, message: str, seconds: int) -> None:
        super().__init__(429, reason, f"{message}: try again in {seconds} s", [(b"retry-after", str(seconds).encode())])
        self.data = {"limit": limit, "retryAfterSeconds": seconds}


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


async def refuse(send: Send, rejection: Rejected, body: bytes | None) -> None:
    """Answer with the rejection. `body` is the request's, or None when it was not read to its end."""
    error: dict[str, Any] = {"code": BUSY if isinstance(rejection, Busy) else INVALID_REQUEST, "message": str(rejection)}
    if rejection.data is not None:
        error["data"] = rejection.data
    text = orjson.dumps({"jsonrpc": "2.0", "id": _id(body), "error": error})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode()), *rejection.headers]
    if body is None:  # what is left of it would be taken for the next request
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": rejection.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _id(body: bytes | None) -> int | str | None:
    try:
        message = orjson.loads(body or b"null")
    except orjson.JSONDecodeError:
        return None
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None
