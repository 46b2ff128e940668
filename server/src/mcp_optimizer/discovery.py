"""What a discovery looks things up with: the ranking by words of the snapshot, that by meaning when there is one, and the memory of what was shown."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from .meaning import EmbeddingClient, Meanings
from .quality import POSITIONS, Quality
from .snapshot import Snapshot, Tool

DEPTH = 64
"""Ranks by meaning that are fused with those by words."""
KINDS = ("query", "definitions")
OUTCOMES = ("ok", "timeout", "error", "invalid", "skipped")

Find = Callable[[str, int], list[Tool]]
"""The best tools for a query, best first."""


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
        self.meanings.follow(snapshot.config.search_embedding, snapshot.tools.values())

    def called(self, snapshot: Snapshot, tool_id: str) -> None:
        """A tool is called. Tools that clients see listed need no discovery, so they say nothing about it."""
        if snapshot.config.mode != "mcp_only" and tool_id not in snapshot.pinned:
            self.quality.called(tool_id)

    async def finder(self, snapshot: Snapshot, query: object) -> Find:
        """The search for this query. Waits only for the embedding endpoint, when there is one, and never long."""
        also: list[str] = []
        if snapshot.config.search_embedding is not None and isinstance(query, str) and query.strip():
            also = await self.meanings.ranking(query, DEPTH)

        def find(words: str, limit: int) -> list[Tool]:
            found = [hit.tool for hit in snapshot.index.search(words, limit, also=also)]
            self.quality.shown([tool.id for tool in found])
            return found

        return find
