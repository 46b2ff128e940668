"""Which web pages may speak to this endpoint. Whatever is no browser sends no Origin and is no business of this module."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from .asgi import Headers, Message, Scope, Send
from .rejection import Rejected

CLUSTER_SUFFIXES: Final = (".svc", ".svc.cluster.local")
PREFLIGHT_SECONDS: Final = 600
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def origin_set(allowed: list[str]) -> frozenset[bytes]:
    """Origins as browsers write them: without the port that goes without saying."""
    return frozenset(_as_sent(origin).encode() for origin in allowed)


def check_origin(headers: dict[bytes, bytes], allowed: frozenset[bytes] = frozenset()) -> Headers:
    """Headers that the response needs for a page of another site that is `allowed`; none for our own pages. Raises `Rejected` (403) for others.

    Equality with Host is not enough: a name an attacker rebinds to our address is its own host. So the host must also be one that
    nobody outside can own: an address, localhost, a bare name or a Service of the cluster. An origin that is listed needs no such
    proof: a browser does not lie about it, and the attacker's page has another.
    """
    origin = headers.get(b"origin")
    if origin is None:
        return []
    if origin.lower() in allowed:
        # The page may read our answer, and the session id that comes with it; it brings no cookies, so no credentials are allowed.
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"mcp-session-id"), (b"vary", b"origin")]
    try:
        host = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}")
        same = urlsplit(origin.decode("latin-1")).netloc == host.netloc
        ours = _is_ours(host.hostname or "")
    except ValueError:
        same = ours = False
    if not (same and ours):
        raise Rejected(403, "origin", "requests from web pages of other sites are refused: spec.allowedOrigins names those that may speak")
    return []


def is_preflight(scope: Scope, headers: dict[bytes, bytes], granted: Headers) -> bool:
    """Whether a browser asks what an allowed page may send."""
    return scope["method"] == "OPTIONS" and bool(granted) and b"access-control-request-method" in headers


async def answer_preflight(send: Send, headers: dict[bytes, bytes], granted: Headers) -> None:
    """Any header, to POST and to GET: what they may hold is checked when they come."""
    wanted = headers.get(b"access-control-request-headers", b"content-type")
    more = [
        (b"access-control-allow-methods", b"POST, GET"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": [*granted, *more]})
    await send({"type": "http.response.body", "body": b""})


def granting(send: Send, granted: Headers) -> Send:
    """`send` with the headers that let the page read the answer."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *granted]}
        await send(message)

    return with_headers


def _as_sent(origin: str) -> str:
    scheme = origin.partition("://")[0]
    return origin.lower().removesuffix(_DEFAULT_PORTS.get(scheme, "/"))


def _is_ours(host: str) -> bool:
    if "." not in host and ":" not in host:
        return bool(host)
    if host.endswith(CLUSTER_SUFFIXES):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
