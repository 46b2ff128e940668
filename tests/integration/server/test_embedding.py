"""Discovery with an embedding endpoint: better when it knows more, the same as without whatever it does wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp import Client

from mcp_optimizer.app import Process
from mcp_optimizer.settings import Settings
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, document, eventually
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration
CONCEPTS = (("weather", "brolly"), ("issue",), ("echo",), ("error",))
QUERY = "will I need my brolly"


class FakeEmbeddings:
    """Stands for a third party's model: knows that a brolly has to do with the weather. Misbehaves when told."""

    def __init__(self) -> None:
        self.mood, self.keys, self.bodies = "well", set[str | None](), list[dict[str, Any]]()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.keys.add(request.headers.get("Authorization"))
        self.bodies.append(await request.json())
        if self.mood == "hanging":
            await asyncio.sleep(3600)
        if self.mood == "garbage":
            return web.Response(text='{"data":[{"index":0,"embedding":["x"]}]}', content_type="application/json")
        if self.mood == "failing":
            return web.Response(status=503)
        if self.mood == "redirecting":
            raise web.HTTPFound(str(request.url))
        texts = self.bodies[-1].get("input") or self.bodies[-1]["inputs"]
        rows = [[1.0 + 9 * any(word in text.lower() for word in words) for words in CONCEPTS] for text in texts]
        if "inputs" in self.bodies[-1]:
            return web.json_response(rows)
        return web.json_response({"data": [{"index": number, "embedding": row} for number, row in enumerate(rows)]})


@pytest.fixture
async def embeddings() -> AsyncIterator[FakeEmbeddings]:
    fake = FakeEmbeddings()
    application = web.Application()
    application.router.add_post("/{path:.*}", fake.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


def write(path: Path, upstream: str, embedding: dict[str, Any] | None, mode: str = "hybrid") -> None:
    path.with_suffix(".new").write_text(json.dumps({**json.loads(document({"it": upstream}, mode=mode)), "searchEmbedding": embedding}))
    path.with_suffix(".new").replace(path)


@asynccontextmanager
async def running(config: Path, key: Path | None = None) -> AsyncIterator[Running]:
    settings = Settings(
        config=f"file:{config}", bind="127.0.0.1", port=0, management_port=0, drain_seconds=0.0, finish_seconds=20, embedding_key_file=key
    )
    process = Process(settings)
    task = asyncio.create_task(process.run())
    await process.listening.wait()
    try:
        yield Running(process, config)
    finally:
        process.stop.set()
        await task


async def ask(server: Running, query: str = QUERY) -> str:
    async with Client(server.url) as client:
        return str((await client.call_tool("discover", {"query": query})).content[0].text)  # type: ignore[union-attr]


async def metric(server: Running, line: str) -> float:
    text = (await server.get("/metrics"))[1]
    return float(next((found.rsplit(" ", 1)[1] for found in text.splitlines() if found.startswith(line + " ")), "nan"))


async def ready(server: Running) -> None:
    await server.tools_ready(len(TOOLS))
    await eventually(lambda: server.process.discovery.meanings.vectors == len(TOOLS))


@pytest.mark.parametrize(("api", "path"), [("openai", "/v1/embeddings"), ("tei", "/embed")])
async def test_a_word_that_only_the_model_knows_finds_its_tool(
    start: Start, embeddings: FakeEmbeddings, tmp_path: Path, api: str, path: str
) -> None:
    upstream, config, key = await start(Modern()), tmp_path / "config.json", tmp_path / "key"
    key.write_text("s3cret\n")
    write(config, upstream.url, None)
    async with running(config, key) as server:
        await server.tools_ready(len(TOOLS))
        assert (await ask(server)).startswith("No tool matches")
        write(config, upstream.url, {"url": embeddings.url + path, "api": api, "model": "words-1", "timeoutMilliseconds": 5000})
        await ready(server)
        assert (await ask(server)).startswith("it.weather(")
        assert await metric(server, 'mcp_optimizer_embedding_requests_total{kind="query",outcome="ok"}') == 1
        assert await metric(server, "mcp_optimizer_embedding_tools") == len(TOOLS)
    assert embeddings.keys == {"Bearer s3cret"}
    assert all(("model" in body) == (api == "openai") for body in embeddings.bodies)


@pytest.mark.parametrize(
    ("mood", "outcome"), [("hanging", "timeout"), ("garbage", "invalid"), ("failing", "error"), ("redirecting", "error")]
)
async def test_an_endpoint_in_trouble_changes_no_answer_and_is_left_alone(
    start: Start, embeddings: FakeEmbeddings, tmp_path: Path, mood: str, outcome: str
) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write(config, upstream.url, None)
    async with running(config) as server:
        await server.tools_ready(len(TOOLS))
        queries = ["weather of a city", "open an issue", "echo", "an error", "a message", "labels"]
        by_words = [await ask(server, query) for query in queries]
        write(config, upstream.url, {"url": embeddings.url, "model": "m", "timeoutMilliseconds": 50})
        await ready(server)
        embeddings.mood, before = mood, len(embeddings.bodies)
        assert [await ask(server, query) for query in queries] == by_words
        assert len(embeddings.bodies) == before + 3
        assert await metric(server, f'mcp_optimizer_embedding_requests_total{{kind="query",outcome="{outcome}"}}') == 3
        assert await metric(server, 'mcp_optimizer_embedding_requests_total{kind="query",outcome="skipped"}') == 3


async def test_nothing_is_sent_where_nothing_is_discovered(start: Start, embeddings: FakeEmbeddings, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write(config, upstream.url, {"url": embeddings.url, "model": "m"}, mode="mcp_only")
    async with running(config) as server:
        await server.tools_ready(len(TOOLS))
        write(config, upstream.url, {"url": embeddings.url, "model": "m"})
        await ready(server)
    assert len(embeddings.bodies) == 1


async def test_an_endpoint_that_was_never_there_costs_no_query_anything(start: Start, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write(config, upstream.url, {"url": "http://127.0.0.1:9/embed", "api": "tei"})
    async with running(config) as server:
        await server.tools_ready(len(TOOLS))
        assert (await ask(server, "weather")).startswith("it.weather(")
        assert await metric(server, 'mcp_optimizer_embedding_requests_total{kind="query",outcome="error"}') == 0


async def test_calls_are_counted_at_the_position_where_they_were_found(start: Start, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write(config, upstream.url, None)
    async with running(config) as server, Client(server.url) as client:
        await server.tools_ready(len(TOOLS))
        await client.call_tool("execute", {"tool": "it.echo", "arguments": {"message": "x"}})
        hits = [line.split("(")[0] for line in (await ask(server, "weather message issue")).splitlines()]
        await client.call_tool("execute", {"tool": hits[1], "arguments": {"repo": "a/b", "title": "x"}})
        await client.call_tool("execute", {"tool": hits[1], "arguments": {"repo": "a/b", "title": "x"}})
        for position, count in (("not_found", 1), ("2", 1), ("1", 0)):
            assert await metric(server, f'mcp_optimizer_discovered_calls_total{{position="{position}"}}') == count
