"""Ranking by meaning: the nearest vectors, replies nobody vouches for, and an endpoint that is away."""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from mcp_optimizer.meaning.breaker import FAILURES, REST_SECONDS, Breaker
from mcp_optimizer.meaning.client import EmbeddingClient, EmbeddingFailed, _vectors
from mcp_optimizer.meaning.service import ASKED_AT_ONCE, BATCH, QUERIES, Meanings, describe
from mcp_optimizer.meaning.vectors import Vector, VectorIndex, unit
from mcp_optimizer.quality import REMEMBERED, Quality
from mcp_optimizer_api.config import EmbeddingConfig

CONFIG = EmbeddingConfig(url="http://embed.invalid/v1/embeddings", model="m")


@dataclass(frozen=True)
class Tool:
    id: str
    description: str = ""

    @property
    def definition(self) -> dict[str, Any]:
        return {"name": self.id, "description": self.description, "inputSchema": {"properties": {"city": {}}}}


class FakeClient(EmbeddingClient):
    """Answers with a vector along the axis of the first letter of the text."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.fails: str | None = None
        self.waits: asyncio.Event | None = None

    async def embed(self, config: EmbeddingConfig, texts: Sequence[str], timeout: float) -> list[Vector]:
        self.asked.append(list(texts))
        if self.waits is not None:
            await self.waits.wait()
        if self.fails:
            raise EmbeddingFailed(self.fails, "no")
        return [unit([1.0 + (ord(text[0]) == 97 + axis) * 5 for axis in range(26)]) for text in texts]


class Service:
    """`Meanings` with a counter."""

    def __init__(self) -> None:
        self.client, self.counted = FakeClient(), list[tuple[str, str]]()
        self.meanings = Meanings(self.client, lambda kind, outcome: self.counted.append((kind, outcome)))

    async def follow(self, *tools: str, config: EmbeddingConfig | None = CONFIG) -> None:
        self.meanings.follow(config, [Tool(name) for name in tools])
        await self.meanings._renew(config, [Tool(name) for name in tools])


def test_the_nearest_are_found_as_if_all_angles_were_computed() -> None:
    chance = random.Random(7)
    vectors = {f"t{number}": unit([chance.gauss(1, 1) for _ in range(64)]) for number in range(600)}
    middle = [sum(column) / len(vectors) for column in zip(*vectors.values(), strict=True)]

    def likeness(a: Sequence[float], b: Sequence[float]) -> float:
        a, b = ([x - m for x, m in zip(row, middle, strict=True)] for row in (a, b))
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.dist(a, [0] * 64) / math.dist(b, [0] * 64)

    index, overlap = VectorIndex(vectors), 0
    for number in range(0, 600, 30):
        query = unit([value + chance.gauss(0, 0.05) for value in vectors[f"t{number}"]])
        exact = sorted(vectors, key=lambda tool: -likeness(vectors[tool], query))[:8]
        found = index.nearest(query, 8)
        assert found[0] == exact[0] == f"t{number}"
        overlap += len(set(found) & set(exact))
    assert overlap > 0.8 * 20 * 8


def test_vectors_are_filtered_before_the_nearest_are_taken() -> None:
    index = VectorIndex({"a": unit([1, 0, 0]), "b": unit([0.9, 0.1, 0]), "c": unit([0, 0, 1])})
    assert index.nearest(unit([1, 0, 0]), 1, allow=lambda tool: tool != "a") == ["b"]
    assert index.nearest(unit([1, 0]), 3) == []
    assert VectorIndex({}).nearest(unit([1, 0]), 3) == []


def test_equal_vectors_are_no_trap() -> None:
    assert VectorIndex({"a": unit([1, 1]), "b": unit([1, 1])}).nearest(unit([1, 1]), 2) == ["a", "b"]


@pytest.mark.parametrize("reply", ["{}", "[]", '{"data":[]}', '{"data":[{"index":0}]}', '{"data":[{"index":0,"embedding":["x"]}]}',
                                   '{"data":[{"index":0,"embedding":[]}]}', '{"data":[{"index":0,"embedding":[0,0]}]}',
                                   '{"data":[{"index":"a","embedding":[1]}]}', '{"data":[{"index":0,"embedding":[1e308,1e308]}]}',
                                   '{"data":{"index":0}}', "null", '{"data":[{"index":0,"embedding":{"0":1}}]}'])  # fmt: skip
def test_a_reply_that_is_not_one_vector_is_refused(reply: str) -> None:
    with pytest.raises((KeyError, IndexError, TypeError, ValueError, OverflowError)):
        _vectors(orjson.loads(reply), "openai", 1)


def test_both_dialects_are_understood_in_the_order_that_was_asked() -> None:
    openai = {"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 0]}]}
    assert [list(row) for row in _vectors(openai, "openai", 2)] == [[1, 0], [0, 1]]
    assert [list(row) for row in _vectors([[3, 0], [0, 2]], "tei", 2)] == [[1, 0], [0, 1]]


def test_the_breaker_rests_after_failures_in_a_row_and_tries_once() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    now[0] = REST_SECONDS + 1
    assert breaker.admits() and not breaker.admits()
    breaker.succeeded()
    assert breaker.admits() and breaker.admits()


async def test_only_what_changed_is_embedded_again_and_what_is_gone_is_forgotten() -> None:
    service = Service()
    await service.follow("alpha", "beta")
    await service.follow("alpha", "gamma")
    assert [len(texts) for texts in service.client.asked] == [2, 1]
    assert service.meanings.vectors == 2 and len(service.meanings._known) == 2
    assert (await service.meanings.ranking("games", 2))[0] == "gamma"


async def test_another_model_starts_anew_and_none_ends_it() -> None:
    service = Service()
    await service.follow("alpha")
    await service.follow("alpha", config=CONFIG.model_copy(update={"model": "other"}))
    assert len(service.client.asked) == 2
    await service.follow("alpha", config=None)
    assert service.meanings.vectors == 0 and await service.meanings.ranking("alpha", 2) == []


async def test_definitions_come_in_batches_and_a_failure_keeps_what_was_had() -> None:
    service = Service()
    await service.follow(*(f"a{number}" for number in range(BATCH + 3)))
    assert [len(texts) for texts in service.client.asked] == [BATCH, 3]
    service.client.fails = "timeout"
    await service.follow(*(f"a{number}" for number in range(BATCH + 4)))
    assert service.meanings.vectors == BATCH + 3
    assert service.counted[-1] == ("definitions", "timeout")


async def test_a_query_is_asked_once_remembered_and_forgotten_in_time() -> None:
    service = Service()
    await service.follow("alpha", "beta")
    asked = len(service.client.asked)
    for _ in range(3):
        assert (await service.meanings.ranking("  apples   and ", 1)) == ["alpha"]
    assert len(service.client.asked) == asked + 1
    for number in range(QUERIES + 50):
        await service.meanings.ranking(f"q{number}", 1)
    assert len(service.meanings._queries) == QUERIES


async def test_a_dead_endpoint_is_left_alone() -> None:
    service = Service()
    await service.follow("alpha")
    service.client.fails, before = "error", len(service.client.asked)
    for number in range(20):
        assert await service.meanings.ranking(f"q{number}", 1) == []
    assert len(service.client.asked) == before + FAILURES
    assert service.counted[-1] == ("query", "skipped")


async def test_more_queries_than_the_endpoint_may_hold_do_without() -> None:
    service = Service()
    await service.follow("alpha")
    service.client.waits = asyncio.Event()
    waiting = [asyncio.create_task(service.meanings.ranking(f"a{number}", 1)) for number in range(ASKED_AT_ONCE)]
    await asyncio.sleep(0)
    assert await service.meanings.ranking("one more", 1) == []
    same = asyncio.create_task(service.meanings.ranking("a0", 1))
    waiting[0].cancel()
    service.client.waits.set()
    assert await same == ["alpha"]
    assert await asyncio.gather(*waiting[1:]) == [["alpha"]] * (ASKED_AT_ONCE - 1)
    assert not service.meanings._asking


def test_a_text_names_the_tool_its_purpose_and_its_parameters() -> None:
    assert describe(Tool("s.weather", "Tells.")) == "s.weather : Tells. (city)"


def test_a_call_counts_at_the_position_of_the_last_discovery_and_once() -> None:
    counted: list[str] = []
    quality = Quality(counted.append)
    quality.shown([f"t{number}" for number in range(1, 12)])
    for tool in ("t1", "t1", "t3", "t5", "t8", "t11", "t1"):
        quality.called(tool)
    assert counted == ["1", "3", "4-5", "6-8", "9+"]
    quality.shown(["t20"], start=8)
    quality.called("t20")
    assert counted.pop() == "9+"
    quality.shown(["t3", "t1"])
    quality.called("t1")
    quality.called("elsewhere")
    quality.called("elsewhere")
    assert counted[5:] == ["2", "not_found"]


def test_the_memory_of_what_was_shown_is_bounded() -> None:
    quality = Quality(lambda position: None)
    for number in range(REMEMBERED + 500):
        quality.shown([f"t{number}"])
    assert len(quality._recent) == REMEMBERED
