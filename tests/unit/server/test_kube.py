"""The watch client against a loopback API server that misbehaves in the ways real ones do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from mcp_optimizer import kube
from mcp_optimizer.kube import KubeClient

PATH = "/api/v1/namespaces/ns/pods"


def pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


class FakeApi:
    """Answers lists from `lists` and watches from `watches`, in order; a watch is a list of lines, then the stream ends."""

    def __init__(self) -> None:
        self.lists: list[Any] = []
        self.watches: list[Any] = []
        self.queries: list[dict[str, str]] = []
        self.tokens: list[str | None] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        self.tokens.append(request.headers.get("Authorization"))
        queue = self.watches if request.query.get("watch") else self.lists
        answer = queue.pop(0) if queue else 503
        if isinstance(answer, int):
            return web.json_response({"message": "no"}, status=answer)
        if not request.query.get("watch"):
            return web.json_response(answer)
        response = web.StreamResponse()
        await response.prepare(request)
        for line in answer:
            data = json.dumps(line).encode() + b"\n"
            await response.write(data[:40])
            await response.write(data[40:])
        return response


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[FakeApi, str]]:
    monkeypatch.setattr(kube, "FIRST_BACKOFF", 0.01)
    monkeypatch.setattr(kube, "MAX_BACKOFF", 0.02)
    fake = FakeApi()
    app = web.Application()
    app.router.add_get(PATH, fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield fake, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def collect(client: KubeClient, count: int, stop: Callable[[], bool] = lambda: False) -> list[tuple[str, list[str]]]:
    seen: list[tuple[str, list[str]]] = []
    async with asyncio.timeout(20), contextlib.aclosing(client.list_and_watch(PATH, {"labelSelector": "a=b"})) as events:
        async for event in events:
            seen.append((event.kind, [item["metadata"]["name"] for item in event.objects]))
            if len(seen) == count or stop():
                break
    await client.close()
    return seen


async def test_a_list_spanning_pages_becomes_one_complete_state(api: tuple[FakeApi, str]) -> None:
    fake, url = api
    fake.lists = [
        {"metadata": {"resourceVersion": "5", "continue": "next"}, "items": [pod("a", "1")]},
        {"metadata": {"resourceVersion": "5"}, "items": [pod("b", "2")]},
    ]
    fake.watches = [[{"type": "ADDED", "object": pod("c", "6")}, {"type": "DELETED", "object": pod("a", "7")}]]
    assert await collect(KubeClient(url), 3) == [("listed", ["a", "b"]), ("changed", ["c"]), ("deleted", ["a"])]
    assert fake.queries[1]["continue"] == "next"
    assert {query["labelSelector"] for query in fake.queries} == {"a=b"}


async def test_a_broken_stream_resumes_after_the_last_bookmark_without_a_new_list(api: tuple[FakeApi, str]) -> None:
    fake, url = api
    fake.lists = [{"metadata": {"resourceVersion": "5"}, "items": []}]
    fake.watches = [
        [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "90"}}}],
        500,
        [{"type": "MODIFIED", "object": pod("a", "91")}],
    ]
    assert await collect(KubeClient(url), 2) == [("listed", []), ("changed", ["a"])]
    assert [query.get("resourceVersion") for query in fake.queries] == [None, "5", "90", "90"]


async def test_an_expired_version_is_answered_with_a_new_list(api: tuple[FakeApi, str]) -> None:
    fake, url = api
    fake.lists = [
        {"metadata": {"resourceVersion": "5"}, "items": [pod("a", "1")]},
        {"metadata": {"resourceVersion": "9"}, "items": [pod("b", "8")]},
    ]
    fake.watches = [[{"type": "ERROR", "object": {"code": 410, "message": "too old"}}]]
    assert await collect(KubeClient(url), 2) == [("listed", ["a"]), ("listed", ["b"])]


async def test_an_api_server_that_is_away_at_first_is_waited_for(api: tuple[FakeApi, str]) -> None:
    fake, url = api
    fake.lists = [503, 403, {"metadata": {"resourceVersion": "5"}, "items": [pod("a", "1")]}]
    assert await collect(KubeClient(url), 1) == [("listed", ["a"])]


async def test_an_object_larger_than_the_readers_buffer_arrives_whole(api: tuple[FakeApi, str]) -> None:
    fake, url = api
    fake.lists = [{"metadata": {"resourceVersion": "5"}, "items": []}]
    big = {**pod("big", "6"), "data": {"config.json": "x" * 1_000_000}}
    fake.watches = [[{"type": "MODIFIED", "object": big}]]
    assert await collect(KubeClient(url), 2) == [("listed", []), ("changed", ["big"])]


async def test_a_rotated_token_is_used_from_the_next_request_on(api: tuple[FakeApi, str], tmp_path: Any) -> None:
    fake, url = api
    token = tmp_path / "token"
    token.write_text("first\n")
    fake.lists = [{"metadata": {"resourceVersion": "5"}, "items": []}]
    fake.watches = [[{"type": "ADDED", "object": pod("a", "6")}], [{"type": "ADDED", "object": pod("b", "7")}]]
    client = KubeClient(url, token_file=token)
    async with asyncio.timeout(20), contextlib.aclosing(client.list_and_watch(PATH)) as events:
        async for event in events:
            token.write_text("second")
            if event.kind == "changed" and event.objects[0]["metadata"]["name"] == "b":
                break
    await client.close()
    assert fake.tokens[0] == "Bearer first"
    assert fake.tokens[-1] == "Bearer second"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}, "https://10.96.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://[fd00::1]:6443"),
        ({}, "https://kubernetes.default.svc"),
    ],
)
def test_the_api_server_is_where_the_kubelet_says(environ: dict[str, str], url: str) -> None:
    assert kube.api_server(environ) == url
