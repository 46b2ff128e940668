"""The smallest Kubernetes client that keeps a view up to date: list and watch one path, for ever, whatever happens to the API server.

Read-only by construction. An official client would bring 60 MB of models to a process whose memory is counted per replica.
"""

import asyncio
import contextlib
import json
import logging
import os
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp

from .http_client import open_session

log = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API_SERVER = "https://kubernetes.default.svc"
PAGE = 500
MAX_LINE = 16 * 1024 * 1024
WATCH_SECONDS = 300
SILENCE_SECONDS = 75.0
"""The API server sends a bookmark about once a minute: a stream silent for longer is worth a new connection."""
FIRST_BACKOFF = 0.2
MAX_BACKOFF = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """`listed`: the complete state, replacing all that was known. `changed`: one object, new or modified. `deleted`: one object, gone."""

    kind: Literal["listed", "changed", "deleted"]
    objects: tuple[Mapping[str, Any], ...]


class WatchExpired(Exception):
    """The resource version is too old (410): only a new list helps."""


class ApiError(Exception):
    """The API server answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeClient:
    """One connection pool to one API server. The token is read anew for each request, because the kubelet rotates it."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None, token_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._tls = tls
        self._token_file = token_file
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def in_cluster(cls, account: Path = SERVICE_ACCOUNT) -> "KubeClient":
        """The client of a Pod with a mounted service account; by address, so that it works while DNS does not."""
        return cls(api_server(os.environ), ssl.create_default_context(cafile=str(account / "ca.crt")), account / "token")

    async def close(self) -> None:
        """Close the connections; every running watch ends with an error its owner expects."""
        if self._session is not None:
            await self._session.close()

    async def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """The state of `path` (for example /api/v1/namespaces/NS/pods), then every change, until the caller stops.

        Never ends and never raises for a server that is away: it reconnects with backoff, resumes where it was, and lists again
        when the server has forgotten that point. `params` takes labelSelector and fieldSelector.
        """
        query = dict(params or {})
        version: str | None = None
        backoff = FIRST_BACKOFF
        while True:
            try:
                if version is None:
                    items, version = await self._list(path, query)
                    backoff = FIRST_BACKOFF
                    yield Event("listed", tuple(items))
                async with contextlib.aclosing(self._watch(path, query, version)) as stream:
                    async for event, seen in stream:
                        version, backoff = seen, FIRST_BACKOFF
                        if event is not None:
                            yield event
            except WatchExpired:
                version = None
            except (aiohttp.ClientError, ApiError, OSError, TimeoutError, ValueError) as error:
                log.warning("kubernetes watch interrupted", extra={"path": path, "error": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))
            backoff = min(backoff * 2, MAX_BACKOFF)

    async def _list(self, path: str, query: dict[str, str]) -> tuple[list[Mapping[str, Any]], str]:
        items: list[Mapping[str, Any]] = []
        page = {**query, "limit": str(PAGE)}
        while True:
            async with self._client().get(
                self._url + path, params=page, headers=self._headers(), ssl=self._ssl(), timeout=aiohttp.ClientTimeout(total=30)
            ) as response:
                await _check(response)
                body = await response.json(loads=json.loads, content_type=None)
            metadata = body.get("metadata") or {}
            items.extend(body.get("items") or [])
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion") or "0")
            page["continue"] = metadata["continue"]

    async def _watch(self, path: str, query: dict[str, str], version: str) -> AsyncGenerator[tuple[Event | None, str], None]:
        parameters = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(random.randint(WATCH_SECONDS // 2, WATCH_SECONDS)),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
        async with self._client().get(
            self._url + path, params=parameters, headers=self._headers(), ssl=self._ssl(), timeout=timeout
        ) as response:
            await _check(response)
            try:
                async for line in _lines(response.content):
                    yield _event(json.loads(line))
            except aiohttp.SocketTimeoutError:
                return

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session()
        return self._session

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "mcp-optimizer-server"}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return headers

    def _ssl(self) -> ssl.SSLContext | bool:
        return self._tls if self._tls is not None else True


def api_server(environ: Mapping[str, str]) -> str:
    """URL of the API server as the kubelet tells it to every container."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return API_SERVER
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 410:
        raise WatchExpired
    if response.status >= 400:
        text = (await response.content.read(2048)).decode(errors="replace")
        raise ApiError(response.status, text)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length up to MAX_LINE; the reader's own limit is far below one ConfigMap."""
    buffer = bytearray()
    async for chunk in content.iter_any():
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            buffer += chunk[start:end]
            start = end + 1
            if buffer:
                yield bytes(buffer)
            buffer.clear()
        buffer += chunk[start:]
        if len(buffer) > MAX_LINE:
            raise ValueError(f"a watch event is longer than {MAX_LINE} bytes")


def _event(line: Mapping[str, Any]) -> tuple[Event | None, str]:
    """The event of one line and the resource version to resume from."""
    kind, item = line.get("type"), line.get("object") or {}
    if kind == "ERROR":
        if item.get("code") == 410:
            raise WatchExpired
        raise ApiError(int(item.get("code") or 500), str(item.get("message") or "watch error"))
    version = str((item.get("metadata") or {}).get("resourceVersion") or "0")
    if kind == "BOOKMARK":
        return None, version
    return Event("deleted" if kind == "DELETED" else "changed", (item,)), version
