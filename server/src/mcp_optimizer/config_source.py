"""Where the configuration comes from: a ConfigMap that the operator writes, or a file while developing.

A document that does not parse changes nothing: the last good one stays in force, and a metric and a log line tell.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from pydantic import ValidationError

from mcp_optimizer_api.config import ServerConfig
from mcp_optimizer_api.names import CONFIG_KEY

from .kube import KubeClient

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
MAX_DOCUMENT = 4 * 1024 * 1024

Apply = Callable[[ServerConfig, bytes], Awaitable[None]]


class BadDocument(Exception):
    """The document is no configuration; the message names the field."""


def parse(document: bytes) -> ServerConfig:
    """The configuration in `document`, checked for what the model cannot say."""
    if len(document) > MAX_DOCUMENT:
        raise BadDocument(f"the document has {len(document)} bytes, at most {MAX_DOCUMENT} are read")
    try:
        config = ServerConfig.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadDocument(f"{'.'.join(str(part) for part in first['loc']) or 'document'}: {first['msg']}") from None
    names = [upstream.name for upstream in config.upstreams]
    if len(set(names)) != len(names):
        raise BadDocument("upstreams: two of them have the same name")
    return config


async def from_config_map(client: KubeClient, namespace: str, name: str) -> AsyncIterator[bytes]:
    """Every version of the ConfigMap's document. While it does not exist: nothing."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    async with contextlib.aclosing(client.list_and_watch(path, {"fieldSelector": f"metadata.name={name}"})) as events:
        async for event in events:
            if event.kind == "deleted" or not event.objects:
                log.warning("config map is missing: the last configuration stays in force", extra={"config_map": name})
                continue
            document = (event.objects[0].get("data") or {}).get(CONFIG_KEY)
            if document is not None:
                yield str(document).encode()


async def from_file(path: Path) -> AsyncIterator[bytes]:
    """The file's content, again whenever its time stamp or size changes."""
    seen: tuple[int, int] | None = None
    while True:
        if (state := _state(path)) is not None and state != seen:
            seen = state
            yield _read(path)
        await asyncio.sleep(POLL_SECONDS)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def _read(path: Path) -> bytes:
    return path.read_bytes()


async def follow(documents: AsyncIterator[bytes], apply: Apply, report: Callable[[bool], None]) -> None:
    """Apply every good document that differs from the one in force; report each attempt."""
    in_force: bytes | None = None
    async for document in documents:
        if document == in_force:
            continue
        try:
            config = parse(document)
        except BadDocument as error:
            log.error("configuration rejected: the last good one stays in force", extra={"error": str(error)})
            report(False)
            continue
        await apply(config, document)
        in_force = document
        report(True)
