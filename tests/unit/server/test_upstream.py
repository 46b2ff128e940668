"""One server behind the endpoint, spoken to over a wire that the test speaks for."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_optimizer.depth import nested_deeper
from mcp_optimizer.errors import CallFailure, ServerFault
from mcp_optimizer.invoke import resolve
from mcp_optimizer.search import NearestNames
from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.spelling import Spellings
from mcp_optimizer.upstream import catalogue, wire
from mcp_optimizer.upstream.extras import Extras, read_extras
from mcp_optimizer.upstream.upstream import Upstream
from mcp_optimizer.upstream.wire import MAX_VALUES, NotMcp, Reply, ReplyTooLarge, Wire, parse_reply
from mcp_optimizer_api.config import UpstreamConfig

Answer = Callable[[dict[str, Any]], Reply]
MODERN = {"supportedVersions": ["2026-07-28"]}
LEGACY = {"protocolVersion": "2025-06-18"}


def result(body: dict[str, Any], content: dict[str, Any], **headers: str) -> Reply:
    return Reply(200, {"id": body.get("id"), "result": content}, {name.replace("_", "-"): value for name, value in headers.items()})


def refusal(status: int, code: int) -> Reply:
    return Reply(status, {"id": None, "error": {"code": code, "message": "no"}}, {})


class FakeWire:
    """Keeps what is asked; `answers` holds one function per method."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.bounds = wire.Bounds()
        self.asked: list[str] = []
        self.slow = asyncio.Event()
        self.slow.set()

    async def post(self, url: str, body: dict[str, Any], headers: Mapping[str, str], timeout: float, on_message: Any = None) -> Reply:
        self.asked.append(body["method"])
        if body["method"] == "tools/call":
            await self.slow.wait()
        return self.answers[body["method"].replace("/", "_")](body)

    async def delete(self, url: str, headers: Mapping[str, str]) -> None:
        self.asked.append("DELETE")


def legacy() -> FakeWire:
    return FakeWire(
        server_discover=lambda body: refusal(400, -32000),
        initialize=lambda body: result(body, LEGACY, Mcp_Session_Id="s1"),
        notifications_initialized=lambda body: Reply(202, None, {}),
        tools_list=lambda body: result(body, {"tools": []}),
        tools_call=lambda body: result(body, {"content": []}),
    )


def modern() -> FakeWire:
    return FakeWire(
        server_discover=lambda body: result(body, MODERN),
        tools_list=lambda body: result(body, {"tools": []}),
        tools_call=lambda body: result(body, {"content": []}),
    )


def upstream(wire: FakeWire) -> Upstream:
    return Upstream(UpstreamConfig(name="it", url="http://it/mcp"), cast(Wire, wire), lambda: None)


async def test_a_server_that_goes_keeps_its_session_until_the_calls_in_flight_are_answered() -> None:
    wire = legacy()
    it = upstream(wire)
    await it.refresh()
    wire.slow.clear()
    call = asyncio.create_task(it.ask("tools/call", {"name": "t", "arguments": {}}, "t"))
    while wire.asked[-1] != "tools/call":  # noqa: ASYNC110 -- what is waited for has no event
        await asyncio.sleep(0)
    going = asyncio.create_task(it.stop())
    for _ in range(20):
        await asyncio.sleep(0)
    assert "DELETE" not in wire.asked
    wire.slow.set()
    assert await call == {"content": []}
    await going
    assert wire.asked[-1] == "DELETE"


@pytest.mark.parametrize("status", [400, 404])
async def test_a_call_that_a_modern_server_refuses_in_its_own_way_is_not_repeated(status: int) -> None:
    wire = modern()
    wire.answers["tools_call"] = lambda body: refusal(status, -32000)
    with pytest.raises(CallFailure):
        await upstream(wire).ask("tools/call", {"name": "t", "arguments": {}}, "t")
    assert wire.asked.count("tools/call") == 1


async def test_a_legacy_server_that_becomes_a_modern_one_is_asked_again() -> None:
    wire = legacy()
    it = upstream(wire)
    await it.refresh()
    renewed = modern().answers
    wire.answers = {
        **renewed,
        "tools_call": lambda body: refusal(400, -32020) if "_meta" not in body["params"] else renewed["tools_call"](body),
    }
    assert await it.ask("tools/call", {"name": "t", "arguments": {}}, "t") == {"content": []}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("server", "question"), [(modern, "server/discover"), (legacy, "initialize")])
async def test_a_server_that_is_busy_when_it_is_asked_what_it_speaks_is_asked_again_later(
    server: Callable[[], FakeWire], question: str, status: int
) -> None:
    wire, method = server(), question.replace("/", "_")
    usual = wire.answers[method]
    busy = Reply(status, {"id": 1, "error": {"code": -32000, "message": "too many requests"}}, {"Retry-After": "7"})
    wire.answers[method] = lambda body: busy
    it = upstream(wire)
    with pytest.raises(CallFailure, match=rf"\({status}\): too many requests") as told:
        await it.ask("tools/call", {"name": "t", "arguments": {}}, "t")
    assert (told.value.code, told.value.retry_after_s) == (status, 7)
    assert wire.asked[-1] == question
    wire.answers[method] = usual
    assert await it.ask("tools/call", {"name": "t", "arguments": {}}, "t") == {"content": []}


def test_a_description_is_cut_before_it_is_cleaned_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[int] = []
    monkeypatch.setattr(catalogue, "clean_text", lambda text: cleaned.append(len(text)) or text)
    (tool,) = catalogue.sanitise("it", [{"name": "t", "description": "x" * 1_000_000, "inputSchema": {}}])
    assert len(tool["description"]) == catalogue.MAX_DESCRIPTION
    assert cleaned == [2 * catalogue.MAX_DESCRIPTION]


def test_a_wrong_identifier_of_a_megabyte_is_not_searched_in_full() -> None:
    searched: list[str] = []
    index = SimpleNamespace(search=lambda query, limit: searched.append(query) or [])
    snapshot = SimpleNamespace(tools={}, names=NearestNames([]), spellings=Spellings([]), index=index)
    with pytest.raises(CallFailure, match="no tool"):
        resolve(cast(Snapshot, snapshot), "x" * 1_000_000)
    assert [len(query) for query in searched] == [200]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * MAX_VALUES + b"[]]",
        b"[" + b'{"a":1},' * (MAX_VALUES // 2) + b"1]",
        b'["' + b'\\"' * MAX_VALUES + b'",' + b"0," * MAX_VALUES + b"0]",
        b'"' + b'\\"' * 2 * MAX_VALUES + b'",' + b"," * MAX_VALUES + b'"\\',
    ],
)
def test_a_reply_that_grows_in_memory_is_refused(body: bytes) -> None:
    with pytest.raises(ReplyTooLarge):
        parse_reply(body)


@pytest.mark.parametrize("text", ["a,b,c\n" * 500_000, '[{"' * 500_000, "\\" * 1_000_000])
def test_a_long_text_counts_as_one_value(text: str) -> None:
    assert parse_reply(json.dumps([text]).encode()) == [text]


async def test_titles_hide_nothing_from_human_eyes() -> None:
    wire = modern()
    tool = {"name": "t", "title": "Fine.\u200b\u202e", "inputSchema": {}}
    wire.answers["server_discover"] = lambda body: result(body, {**MODERN, "instructions": "Tracks\u200b\u202e issues."})
    wire.answers["tools_list"] = lambda body: result(body, {"tools": [tool]})
    it = upstream(wire)
    await it.refresh()
    assert (it.offer.title, it.offer.catalogue[0]["title"]) == ("Tracks issues.", "Fine.")


async def test_a_modern_server_that_refuses_the_first_request_and_names_its_version_is_asked_again_in_that_version() -> None:
    wire = modern()
    refused = Reply(400, {"id": None, "error": {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}}}, {})
    answers = [refused, result({"id": 1}, MODERN)]
    wire.answers["server_discover"] = lambda body: answers.pop(0)
    await upstream(wire).refresh()
    assert wire.asked == ["server/discover", "server/discover", "tools/list"]


@pytest.mark.parametrize(
    "content", [{"supportedVersions": 5}, {"supportedVersions": ["2026-07-28"], "_meta": [1]}, {"supportedVersions": {"a": 1}}]
)
async def test_whatever_a_server_says_of_itself_its_tools_are_read(content: dict[str, Any]) -> None:
    wire = legacy()
    wire.answers["server_discover"] = lambda body: result(body, content)
    await upstream(wire).refresh()


def test_a_tool_whose_arguments_cannot_be_repeated_in_headers_is_left_out() -> None:
    def tool(name: str, **annotated: Any) -> dict[str, Any]:
        return {"name": name, "inputSchema": {"type": "object", "properties": {"region": annotated}}}

    kept = catalogue.sanitise(
        "s", [tool("good", type="string", **{"x-mcp-header": "Region"}), tool("bad", type="object", **{"x-mcp-header": "R"})]
    )
    assert [definition["name"] for definition in kept] == ["good"]


async def test_a_server_that_asks_very_much_is_not_answered_very_often() -> None:
    wire = legacy()
    post = wire.post

    async def asking(url: str, body: dict[str, Any], headers: Mapping[str, str], timeout: float, on_message: Any = None) -> Reply:
        if body.get("method") == "tools/call":
            for number in range(1000):
                await on_message({"id": number, "method": "ping"})
        return await post(url, {"method": "notifications/initialized", **body}, headers, timeout)

    wire.post = asking  # type: ignore[method-assign]
    it = upstream(wire)
    await it.ask("tools/call", {"name": "t", "arguments": {}}, "t")
    await asyncio.sleep(0)
    assert 10 < wire.asked.count("notifications/initialized") < 100


async def test_a_name_that_is_no_text_is_the_callers_mistake_and_not_held_against_the_server() -> None:
    wire = modern()
    it = upstream(wire)
    await it.refresh()
    with pytest.raises(CallFailure, match="surrogate") as raised:
        await it.ask("tools/call", {"name": "\ud800", "arguments": {}}, "\ud800")
    assert raised.value.code == 400
    assert not isinstance(raised.value, ServerFault)
    assert "tools/call" not in wire.asked


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_a_reply_that_is_nested_too_deep_for_encoders_is_refused(opened: bytes) -> None:
    closed = b"]" if opened == b"[" else b"}"
    assert parse_reply(opened * 100 + b"1" + closed * 100)
    with pytest.raises(NotMcp, match="nested"):
        parse_reply(opened * 200 + b"1" + closed * 200)
    assert parse_reply(json.dumps({"content": [{"text": "[" * 500}] * 500}).encode())


@pytest.mark.parametrize(("size", "aside"), [(10, False), (wire.LONG, True)])
async def test_a_long_reply_is_taken_apart_while_other_requests_go_on(size: int, aside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def watched(body: bytes) -> Any:
        threads.append(threading.get_ident())
        return parse_reply(body)

    monkeypatch.setattr(wire, "parse_reply", watched)
    assert await wire.parsed_reply(json.dumps(["x" * size]).encode()) == ["x" * size]
    assert [thread != threading.get_ident() for thread in threads] == [aside]


def test_the_depth_of_json_does_not_depend_on_what_strings_hold() -> None:
    random = Random(5)
    for _ in range(20_000):
        text = bytes(random.choice(b'[]{}"\\a,') for _ in range(random.randrange(24)))
        for levels in (1, 2, 3):
            assert nested_deeper(text, levels) == depth_said_plainly(text, levels), (text, levels)


def depth_said_plainly(text: bytes, levels: int) -> bool:
    """Byte by byte; a bracket of either kind closes what one of either kind opened."""
    depth, deepest, broken, within, escaped = 0, 0, False, False, False
    for byte in text:
        escapes, escaped = escaped, False
        if escapes and byte in b'\\"':
            continue
        if byte == ord("\\"):
            escaped = True
        elif byte == ord('"'):
            within = not within
        elif not within and byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not within and byte in b"]}":
            depth -= 1
            broken = broken or depth < 0
    few = text.count(b"[") + text.count(b"{") <= levels
    return not few and (broken or depth != 0 or deepest > levels)


async def test_a_list_of_ever_more_pages_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.upstream.pages.MAX_REPLY", 1000)
    before = Extras(prompts=({"name": "known"},))
    asked: list[str] = []

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        asked.append(method)
        return {"prompts": [{"name": f"p{len(asked)}", "description": "x" * 300}], "nextCursor": "more"}

    assert await read_extras("it", {"prompts": {}}, ask, before) == before
    assert len(asked) == 4
