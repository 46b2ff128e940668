"""Vectors of a whole catalogue and of all queries from an embedding endpoint, so that the fused ranking can be measured like the one by words."""

import asyncio
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import Any, Protocol

from mcp_optimizer.discovery import DEPTH
from mcp_optimizer.meaning import EmbeddingClient
from mcp_optimizer.meaning.service import BATCH, describe
from mcp_optimizer.meaning.vectors import Vector, VectorIndex
from mcp_optimizer_api.config import EmbeddingConfig

KEY_FILE = "MCP_EMBEDDING_KEY_FILE"
PATIENCE = 120.0


class Described(Protocol):
    """A tool."""

    @property
    def id(self) -> str: ...
    @property
    def definition(self) -> dict[str, Any]: ...


async def _vectors(config: EmbeddingConfig, texts: Sequence[str]) -> list[Vector]:
    key = environ.get(KEY_FILE)
    client = EmbeddingClient(Path(key) if key else None)
    try:
        batches = [await client.embed(config, texts[start : start + BATCH], PATIENCE) for start in range(0, len(texts), BATCH)]
    finally:
        await client.close()
    return [vector for batch in batches for vector in batch]


def rankings(config: EmbeddingConfig, tools: Sequence[Described], queries: Sequence[str]) -> dict[str, list[str]]:
    """For each query the identifiers of the tools nearest in meaning, as many as the server would fuse. Raises `EmbeddingFailed`."""
    vectors = asyncio.run(_vectors(config, [*(describe(tool) for tool in tools), *queries]))
    index = VectorIndex(dict(zip((tool.id for tool in tools), vectors, strict=False)))
    return {query: index.nearest(vector, DEPTH) for query, vector in zip(queries, vectors[len(tools) :], strict=True)}
