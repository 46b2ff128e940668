"""What a discovery looks things up with: the ranking by words of the snapshot, that by meaning when there is one, and the memory of what was shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from .meaning import EmbeddingClient, Meanings
from .quality import POSITIONS, Quality
from .search import Index
from .snapshot import Snapshot, Tool

DEPTH = 32
"""Ranks by meaning that are fused with those by words."""
KINDS = ("query", "definitions")
OUTCOMES = ("ok", "timeout", "error", "invalid", "skipped")


@dataclass(frozen=True, slots=True)
class Find:
    """The search of one request."""

    index: Index[Tool]
    also: Sequence[str]
    quality: Quality

    def __call__(self, query: str, limit: int) -> list[Tool]:
        """The best tools for a query, best first."""
        return [hit.tool for hit in self.index.search(query, limit, also=self.also)]

    def shown(self, tools: Sequence[Tool], start: int) -> None:
        """These hits are what the client sees, from position `start` (0 is the first) on."""
        self.quality.shown([tool.id for tool in tools], start)


class Discovery:
    """One per process."""

    def __init__(self, client: EmbeddingClient, registry: CollectorRegistry) -> None:
        requests = Counter(
            "mcp_optimizer_embedding_requests", "Requests to the embedding endpoint.", ["kind", "outcome"], registry=registry
        )
        positions = Counter(
            "mcp_optimizer_discovered_calls", "Tools called, by their position in the discovery before.", ["position"], registry=registry
        )
        self._requests = {(kind, outcome): requests.labels(kind, outcome) for kind in KINDS for outcome in OUTCOMES}
        self._positions = {position: positions.labels(position) for position in POSITIONS}
        self.meanings = Meanings(client, lambda kind, outcome: self._requests[kind, outcome].inc())
        self.quality = Quality(lambda position: self._positions[position].inc())
        vectors = Gauge("mcp_optimizer_embedding_tools", "Tools that can be found by meaning.", registry=registry)
        vectors.set_function(lambda: self.meanings.vectors)

    def follow(self, snapshot: Snapshot) -> None:
        """A snapshot came into force."""
        # Without discover nobody would use the vectors, and definitions would leave the cluster for nothing.
        wanted = snapshot.config.search_embedding if snapshot.config.mode != "mcp_only" else None
        self.meanings.follow(wanted, snapshot.tools.values())

    def called(self, snapshot: Snapshot, tool_id: str) -> None:
        """A tool is called. Tools that clients see listed need no discovery, so they say nothing about it."""
        if snapshot.config.mode != "mcp_only" and tool_id not in snapshot.pinned:
            self.quality.called(tool_id)

    async def finder(self, snapshot: Snapshot, query: object) -> Find:
        """The search for this query. Waits only for the embedding endpoint, when there is one, and never long."""
        also: list[str] = []
        if snapshot.config.search_embedding is not None and isinstance(query, str) and query.strip():
            also = await self.meanings.ranking(query, DEPTH)
        return Find(snapshot.index, also, self.quality)
