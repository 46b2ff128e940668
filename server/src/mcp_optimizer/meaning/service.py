"""Keeps vectors of the catalogue in the background and gets one of a query in time, or does without.

Nobody waits for the catalogue: a new snapshot is searched by words until its vectors are there. A query waits at most the configured milliseconds, and
not at all while the endpoint is away.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, Protocol

from mcp_optimizer_api.config import EmbeddingConfig

from .breaker import REST_SECONDS, Breaker
from .client import EmbeddingClient, EmbeddingFailed
from .vectors import Vector, VectorIndex

log = logging.getLogger(__name__)

BATCH: Final = 32
BATCH_SECONDS: Final = 30.0
MAX_TEXT: Final = 2000
MAX_TOOLS: Final = 20_000
QUERIES: Final = 1024
"""Vectors of queries that are remembered."""
MAX_QUERY: Final = 500
ASKED_AT_ONCE: Final = 16
"""Queries that wait for the endpoint at the same time; more are answered by words alone."""

Outcome = Callable[[str, str], None]
"""Told `kind` (`query`, `definitions`) and what became of the request."""


class Described(Protocol):
    """What a text is made of."""

    @property
    def id(self) -> str: ...
    @property
    def definition(self) -> Mapping[str, Any]: ...


class Meanings:
    """Vectors of the tools in force, and of recent queries."""

    def __init__(self, client: EmbeddingClient, outcome: Outcome) -> None:
        self._client = client
        self._outcome = outcome
        self._config: EmbeddingConfig | None = None
        self._index: VectorIndex | None = None
        self._tools: Iterable[Described] = ()
        self._known: dict[bytes, Vector] = {}
        self._queries: OrderedDict[str, Vector] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Vector | None]] = {}
        self._breaker = Breaker()
        self._changed = asyncio.Event()

    @property
    def vectors(self) -> int:
        """Tools that can be found by meaning."""
        return len(self._index) if self._index is not None else 0

    def follow(self, config: EmbeddingConfig | None, tools: Iterable[Described]) -> None:
        """A snapshot came into force. Returns at once; `run` does the work."""
        if config != self._config:
            if config is None or self._config is None or (config.url, config.model, config.api) != _source(self._config):
                self._known, self._index = {}, None
                self._queries.clear()
            self._config, self._breaker = config, Breaker()
        self._tools = tools
        self._changed.set()

    async def run(self) -> None:
        """Fetch what is missing, for ever; again after a rest when the endpoint failed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                complete = await self._renew(self._config, self._tools)
            except Exception:
                log.exception("vectors of the catalogue could not be built: tools are found by words")
                complete = False
            if not complete:
                try:
                    await asyncio.wait_for(self._changed.wait(), REST_SECONDS)
                except TimeoutError:
                    self._changed.set()

    async def close(self) -> None:
        """End after the drain."""
        for task in self._asking.values():
            task.cancel()
        await self._client.close()

    async def ranking(self, query: str, limit: int, allow: Callable[[str], bool] | None = None) -> list[str]:
        """Identifiers of the tools nearest in meaning, best first; none when that cannot be known in time."""
        index = self._index
        if self._config is None or index is None or not len(index):
            return []
        vector = await self._vector(self._config, " ".join(query.split())[:MAX_QUERY])
        return [] if vector is None else index.nearest(vector, limit, allow)

    async def _vector(self, config: EmbeddingConfig, query: str) -> Vector | None:
        if query in self._queries:
            self._queries.move_to_end(query)
            return self._queries[query]
        task = self._asking.get(query)
        if task is None:
            if len(self._asking) >= ASKED_AT_ONCE or not self._breaker.admits():
                self._outcome("query", "skipped")
                return None
            task = self._asking[query] = asyncio.create_task(self._ask(config, query))
            task.add_done_callback(lambda _: self._asking.pop(query, None))
        # Shielded: two clients may wait for it, and one of them may go away.
        return await asyncio.shield(task)

    async def _ask(self, config: EmbeddingConfig, query: str) -> Vector | None:
        vectors = await self._request(config, [query], config.timeout_milliseconds / 1000, "query")
        if vectors is None:
            return None
        if config is self._config:
            self._queries[query] = vectors[0]
            if len(self._queries) > QUERIES:
                self._queries.popitem(last=False)
        return vectors[0]

    async def _renew(self, config: EmbeddingConfig | None, tools: Iterable[Described]) -> bool:
        """Vectors for these tools, as far as they can be had. Whether each has one now."""
        if config is None:
            self._known, self._index = {}, None
            return True
        wanted, texts = await asyncio.to_thread(_described, tools)
        complete = await self._fetch(config, texts)
        await self._build(wanted)
        return complete

    async def _fetch(self, config: EmbeddingConfig, texts: Mapping[bytes, str]) -> bool:
        """Get the vectors that are missing, batch by batch. Whether there is one for each text now."""
        self._known = {digest: vector for digest, vector in self._known.items() if digest in texts}
        missing = [digest for digest in texts if digest not in self._known]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            vectors = await self._request(config, [texts[digest] for digest in batch], BATCH_SECONDS, "definitions")
            if config is not self._config or vectors is None:
                return False
            self._known.update(zip(batch, vectors, strict=True))
        return True

    async def _build(self, wanted: Mapping[str, bytes]) -> None:
        """Replace the index in one assignment; a part of the catalogue is better than none of it."""
        dimensions = {len(vector) for vector in self._known.values()}
        if len(dimensions) > 1:
            log.error("the embedding endpoint changed the dimensions of its vectors: all are fetched again")
            self._known, self._index = {}, None
            self._changed.set()
            return
        vectors = {tool: self._known[digest] for tool, digest in wanted.items() if digest in self._known}
        self._index = await asyncio.to_thread(VectorIndex, vectors) if vectors else None

    async def _request(self, config: EmbeddingConfig, texts: list[str], timeout: float, kind: str) -> list[Vector] | None:
        try:
            vectors = await self._client.embed(config, texts, timeout)
        except EmbeddingFailed as failure:
            self._breaker.failed()
            self._outcome(kind, failure.outcome)
            log.warning("the embedding endpoint failed", extra={"kind": kind, "reason": str(failure)})
            return None
        self._breaker.succeeded()
        self._outcome(kind, "ok")
        return vectors


def describe(tool: Described) -> str:
    """What is embedded of a tool: what a reader would be told of it."""
    definition = tool.definition
    properties = definition["inputSchema"].get("properties")
    names = ", ".join(properties) if isinstance(properties, dict) else ""
    title, description = (str(definition.get(field) or "") for field in ("title", "description"))
    return f"{tool.id} {title}: {description} ({names})"[:MAX_TEXT]


def _described(tools: Iterable[Described]) -> tuple[dict[str, bytes], dict[bytes, str]]:
    """The digest of each tool's text, and the texts by digest."""
    wanted, texts = {}, {}
    for tool in islice(tools, MAX_TOOLS):
        text = describe(tool)
        wanted[tool.id] = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        texts[wanted[tool.id]] = text
    return wanted, texts


def _source(config: EmbeddingConfig) -> tuple[str, str, str]:
    return config.url, config.model, config.api
