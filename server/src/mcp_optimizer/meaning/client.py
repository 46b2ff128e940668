"""One request to an embedding endpoint: two dialects, and no trust in what comes back."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from mcp_optimizer.http_client import open_session
from mcp_optimizer_api.config import EmbeddingConfig

from .vectors import Vector, unit

log = logging.getLogger(__name__)

MAX_DIMENSIONS: Final = 4096
MAX_REPLY: Final = 16 * 1024 * 1024
MAX_KEY: Final = 8192


class EmbeddingFailed(Exception):
    """No vectors; the message says why, without any of the endpoint's text."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class EmbeddingClient:
    """Speaks OpenAI's `/v1/embeddings` or text-embeddings-inference's `/embed`. The key is read anew for each request: the kubelet replaces the
    file when the Secret changes."""

    def __init__(self, key_file: Path | None = None) -> None:
        self._key_file = key_file
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def embed(self, config: EmbeddingConfig, texts: Sequence[str], timeout: float) -> list[Vector]:
        """One vector of length 1 per text, in order. Raises `EmbeddingFailed`; at most `timeout` seconds."""
        body: dict[str, Any] = {"inputs": list(texts)} if config.api == "tei" else {"model": config.model, "input": list(texts)}
        try:
            status, reply = await self._post(config, orjson.dumps(body), timeout)
        except TimeoutError:
            raise EmbeddingFailed("timeout", f"no answer within {timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EmbeddingFailed("error", type(error).__name__) from None
        if status != 200:
            raise EmbeddingFailed("error", f"HTTP status {status}")
        try:
            return _vectors(orjson.loads(reply), config.api, len(texts))
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise EmbeddingFailed("invalid", f"not a reply with {len(texts)} vectors: {type(error).__name__}") from None

    async def _post(self, config: EmbeddingConfig, body: bytes, timeout: float) -> tuple[int, bytes]:
        if self._session is None:
            self._session = open_session()
        async with self._session.post(
            config.url, data=body, headers=self._headers(), allow_redirects=False, timeout=aiohttp.ClientTimeout(total=timeout)
        ) as response:
            chunks, size = [], 0
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_REPLY:
                    raise ValueError("the reply is too large")
            return response.status, b"".join(chunks)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key_file is not None:
            # A missing file is a Secret that does not exist yet: the endpoint will say that it wants a key.
            key = self._key_file.read_text(errors="replace").strip()[:MAX_KEY] if self._key_file.exists() else ""
            if key and key.isprintable():
                headers["Authorization"] = f"Bearer {key}"
        return headers


def _vectors(reply: Any, api: str, count: int) -> list[Vector]:
    rows = reply if api == "tei" else [item["embedding"] for item in sorted(reply["data"], key=lambda item: int(item["index"]))]
    if not isinstance(rows, list) or len(rows) != count:
        raise ValueError("not as many vectors as texts")
    dimensions = len(rows[0])
    if not 0 < dimensions <= MAX_DIMENSIONS or any(len(row) != dimensions for row in rows):
        raise ValueError("vectors of no or of different dimensions")
    if not all(isinstance(value, int | float) and math.isfinite(value) for row in rows for value in row):
        raise ValueError("not numbers")
    return [unit(row) for row in rows]
