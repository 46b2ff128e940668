"""Tells OAuth clients where to sign in (RFC 9728): a public document, for whoever finds the endpoint closed by the proxy in front of it."""

from typing import Final
from urllib.parse import urlsplit

import orjson

from mcp_optimizer_api.config import OAuthConfig

from .asgi import Headers, Scope, Send
from .rejection import Rejected
from .routes import NoRoute, server_of
from .snapshot import Snapshot

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
MAX_AGE_SECONDS: Final = 300
"""A changed authorization server is known to clients this much later."""
METHODS: Final = ("GET", "HEAD", "OPTIONS")
FOR_PAGES: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"mcp-protocol-version"),
]
"""It says nothing that is not public, and a page has to read it before anybody may let it in."""


def asks_for_metadata(scope: Scope) -> bool:
    """Whether the request is for the document of some resource."""
    path: str = scope["path"]
    return path == WELL_KNOWN or path.startswith(f"{WELL_KNOWN}/")


async def answer_metadata(scope: Scope, send: Send, snapshot: Snapshot | None) -> None:
    """Send the document. Raises `Rejected`: 404 where there is none, 405 for what is no question."""
    if scope["method"] not in METHODS:
        raise Rejected(405, "method", "GET the metadata", [(b"allow", b", ".join(map(str.encode, METHODS)))])
    config = snapshot.config.oauth if snapshot is not None else None
    if config is None:
        raise Rejected(404, "path", "this endpoint has no OAuth metadata: spec.auth.oauth names the authorization servers")
    body = orjson.dumps(_document(config, _resource(config, scope["path"].removeprefix(WELL_KNOWN), snapshot)))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", f"public, max-age={MAX_AGE_SECONDS}".encode()),
        *FOR_PAGES,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})


def _resource(config: OAuthConfig, path: str, snapshot: Snapshot | None) -> str:
    """The resource that a client means who put `path` behind the well-known one: the endpoint, or the route of one server below it."""
    own = urlsplit(config.resource).path.rstrip("/")
    path = path.rstrip("/")
    if path in ("", own):
        return config.resource
    prefix, _, name = path.rpartition("/")
    if prefix == own:
        try:
            server_of(f"/mcp/{name}", snapshot)
        except NoRoute as error:
            raise Rejected(404, "path", str(error)) from None
        return f"{config.resource.rstrip('/')}/{name}"
    raise Rejected(404, "path", f"the metadata of this endpoint is at {WELL_KNOWN}{own}")


def _document(config: OAuthConfig, resource: str) -> dict[str, object]:
    """RFC 9728, section 2."""
    document: dict[str, object] = {
        "resource": resource,
        "authorization_servers": config.authorization_servers,
        "bearer_methods_supported": ["header"],
    }
    return {**document, "scopes_supported": config.scopes} if config.scopes else document
