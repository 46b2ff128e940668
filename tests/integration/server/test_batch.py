"""Several calls in one: what they pass on to each other, what happens when one fails, and what is never sent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.desk import DESK, Desk
from tests.integration.server.harness import Running, eventually, serving, write_config

pytestmark = pytest.mark.integration
Call = dict[str, Any]


def write(content: str, **more: Any) -> Call:
    return {"tool": "desk.write_note", "arguments": {"text": content}, **more}


def burn(number: Any) -> Call:
    return {"tool": "desk.burn_note", "arguments": {"id": number}}


TEAR: Call = {"tool": "desk.tear_note"}


class Batches:
    """A server in front of a desk, and its clients."""

    def __init__(self, server: Running, desk: Desk) -> None:
        self.server, self.desk = server, desk

    async def call(self, arguments: dict[str, Any]) -> Any:
        async with Client(self.server.url) as client:
            return await client.call_tool("execute_batch", arguments)

    async def run(self, *calls: Any, **more: Any) -> dict[str, Any]:
        result = await self.call({"calls": list(calls), **more})
        answer = dict(json.loads(result.content[0].text))
        assert result.is_error == (answer.get("status", "failed") == "failed")
        return answer


@pytest.fixture
async def batches(start: Start, tmp_path: Path) -> AsyncIterator[Batches]:
    desk = Desk()
    await start(desk)
    write_config(tmp_path / "config.json", {"desk": desk.url}, batch={"maxItems": 12})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(DESK))
        yield Batches(server, desk)


async def test_later_calls_use_parts_of_earlier_results_as_values_or_within_text(batches: Batches) -> None:
    answer = await batches.run(
        write("a\nb", id="first"),
        write("${first.note.lines.-1} was line 2 of note ${first.note.id}; $${plain}"),
        {"tool": "desk.write_note", "arguments": {"text": "tags", "tags": "${first.note.lines}"}},
        burn("${first.note.id}"),
        write("${1.note.lines.0}!"),
    )
    assert answer["status"] == "ok"
    assert [item.get("id") for item in answer["results"]] == ["first", None, None, None, None]
    assert answer["results"][0]["result"] == {"note": {"id": 1, "lines": ["a", "b"]}}
    assert batches.desk.notes[2] == {"text": "b was line 2 of note 1; ${plain}"}
    assert batches.desk.notes[3] == {"text": "tags", "tags": ["a", "b"]}
    assert batches.desk.notes[4] == {"text": "b was line 2 of note 1; ${plain}!"}
    assert (batches.desk.burnt, answer["results"][3]["result"]) == ([1], "ash")


async def test_a_failure_stops_what_comes_later(batches: Batches) -> None:
    answer = await batches.run(write("one"), TEAR, write("three", id="c"))
    assert answer == {
        "status": "partial",
        "results": [
            {"result": {"note": {"id": 1, "lines": ["one"]}}},
            {"code": 500, "message": "the paper is too thick"},
            {"id": "c", "skipped": "1 failed"},
        ],
    }
    assert len(batches.desk.calls) == 2


async def test_with_continue_only_what_needs_the_failed_call_is_left_out(batches: Batches) -> None:
    answer = await batches.run(
        {**TEAR, "id": "t"}, write("${t.x}"), write("fine"), {"tool": "desk.nothing"}, {"tool": "desk.burn_note"}, on_error="continue"
    )
    assert answer["status"] == "partial"
    shown = answer["results"]
    assert shown[1] == {"skipped": "needs t"}
    assert shown[2]["result"]["note"]["lines"] == ["fine"]
    assert (shown[3]["code"], shown[4]["code"]) == (404, 400)
    assert shown[4]["message"].endswith("desk.burn_note(id: int)")


async def test_what_was_done_is_taken_back_last_one_first_and_the_answer_says_so(batches: Batches) -> None:
    answer = await batches.run(
        write("one", id="a", compensate=burn("${a.note.id}")),
        write("two", id="b", compensate=burn("${b.note.id}")),
        write("three", id="c", compensate=burn(77)),
        write("four"),
        TEAR,
        write("never"),
    )
    assert batches.desk.burnt == [2, 1]
    assert answer["status"] == "failed"
    a, b, c, d, torn, never = answer["results"]
    assert a["compensated"] is b["compensated"] is True
    assert c["compensated"]["code"] == 502, "the desk broke down over a note that is not there"
    assert "compensated" not in d
    assert (torn["code"], never["skipped"]) == (500, "4 failed")
    assert set(batches.desk.notes) == {3, 4}


async def test_parallel_calls_run_at_once_and_wait_for_what_they_refer_to(batches: Batches) -> None:
    meet = {"tool": "desk.meet"}
    answer = await asyncio.wait_for(batches.run(meet, meet, write("w", id="w"), write("after ${w.note.id}"), mode="parallel"), 20)
    assert answer["status"] == "ok"
    assert [item["result"] for item in answer["results"][:2]] == ["met", "met"]
    assert batches.desk.notes[2] == {"text": "after 1"}


@pytest.mark.parametrize(
    ("calls", "more", "message"),
    [
        ([], {}, "calls must be a list"),
        ([write("a")] * 13, {}, "calls has 13 items, at most 12 run in one batch (spec.batch.maxItems)"),
        ([write("a"), 7], {}, "calls[1]: must be an object {tool, arguments}"),
        ([write("a"), {"arguments": {}}], {}, "calls[1]: tool must be an id"),
        ([write("a", id="x"), write("a", id="x")], {}, "calls[1]: id 'x' is taken by calls[0]"),
        ([write("a", id="x y")], {}, "calls[0]: id must be a letter"),
        ([write("${b.note}", id="a"), write("b", id="b")], {}, "calls[0]: ${b} names no earlier call (there is none)"),
        ([write("a", id="a"), write("${A.note}")], {}, "calls[1]: ${A} names no earlier call (a)"),
        (
            [write("a"), {"tool": "desk.wrte_note", "arguments": {"text": "x"}}],
            {},
            "calls[1]: no tool 'desk.wrte_note': did you mean desk.write_note",
        ),
        ([write("a"), {"tool": "desk.burn_note", "arguments": {"id": "x"}}], {}, "calls[1]: arguments.id: 'x' is not of type 'integer'"),
        ([write("a", compensate={"tool": "desk.nope"})], {}, "calls[0].compensate: no tool 'desk.nope'"),
        ([write("a", compensate=burn("${b}"))], {}, "calls[0].compensate: ${b} names no earlier call (0)"),
        ([write("a")], {"mode": "random"}, "mode is 'random': use sequential, parallel"),
        ([write("a")], {"on_error": "retry"}, "on_error is 'retry': use stop, continue, compensate"),
    ],
)
async def test_a_batch_that_cannot_work_is_refused_before_anything_is_sent(
    batches: Batches, calls: list[Any], more: dict[str, Any], message: str
) -> None:
    answer = await batches.run(*calls, **more)
    assert message in answer["message"]
    assert answer.keys() == {"code", "message"}
    assert batches.desk.calls == []


async def test_a_part_that_a_result_does_not_have_is_an_error_of_the_call_that_wants_it(batches: Batches) -> None:
    answer = await batches.run(write("a", id="a"), write("${a.note.lines.5}"), on_error="continue")
    assert answer["results"][1] == {"code": 400, "message": "${a.note.lines.5}: a.note.lines has 1 items, no '5'"}
    answer = await batches.run(write("a", id="a"), burn("${a.note.lines}"), on_error="continue")
    assert answer["results"][1]["message"].startswith("arguments.id: ['a'] is not of type 'integer'")


async def test_images_come_behind_the_answer(batches: Batches) -> None:
    result = await batches.call({"calls": [write("a"), {"tool": "desk.draw"}]})
    answer = json.loads(result.content[0].text)
    assert answer["results"][1] == {"result": "a cat", "blocks": 1}
    assert [block.type for block in result.content] == ["text", "image"]


async def test_a_client_that_goes_away_leaves_nothing_half_done_when_it_asked_for_that(batches: Batches) -> None:
    calls = [write("one", id="a", compensate=burn("${a.note.id}")), {"tool": "desk.meet", "arguments": {"forever": True}}]
    task = asyncio.create_task(batches.run(*calls))
    await asyncio.wait_for(batches.desk.stuck.wait(), 20)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await eventually(lambda: batches.desk.burnt == [1])


async def test_a_large_value_cannot_be_multiplied_by_references(batches: Batches) -> None:
    answer = await batches.run(
        {"tool": "desk.read_book", "arguments": {"lines": 20_000}, "id": "b"},
        {"tool": "desk.write_note", "arguments": {"text": "${b}" * 100}},
    )
    assert answer["results"][1]["message"].startswith("references insert more than 4194304 bytes")
    assert len(batches.desk.calls) == 1


async def test_a_batch_holds_only_so_much_and_says_what_it_could_not_hold(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_optimizer.tools.batch.MAX_VALUES", 40_000)
    book = {"tool": "desk.read_book", "arguments": {"lines": 1000}}
    answer = await batches.run(
        {**book, "id": "a"},
        {**book, "id": "b"},
        write("${a}"),
        write("${b}"),
        write("c", id="c"),
        write("n${c.note.id}"),
        on_error="continue",
    )
    results = answer["results"]
    assert results[1]["cut"].startswith("cut at ") and len(results[1]["result"]) < 5000
    assert len(batches.desk.notes[1]["text"]) > 20_000
    assert results[3] == {"skipped": "the result of b is too large to insert: use execute_code"}
    assert results[4]["result"]["note"]["id"] == 2 and "cut" not in results[4]
    assert batches.desk.notes[3]["text"] == "n2"


async def test_long_results_of_a_batch_share_the_room_and_short_ones_stay_whole(batches: Batches) -> None:
    book = {"tool": "desk.read_book", "arguments": {"lines": 3000}}
    result = await batches.call({"calls": [book, write("short"), book]})
    text = result.content[0].text
    assert len(text.encode()) < 26_000
    first, short, second = json.loads(text)["results"]
    assert short["result"]["note"]["lines"] == ["short"]
    assert first["cut"].startswith("cut at 12") and second["result"].endswith("\n")


async def test_a_tool_that_asks_its_client_something_fails_in_a_batch_and_says_how_to_call_it(batches: Batches) -> None:
    async def sure(context: Any, params: Any) -> Any:
        raise AssertionError("the client was asked although nobody could take the answer back")

    calls = [{"tool": "desk.ask_back"}, write("after")]
    async with Client(batches.server.url, elicitation_callback=sure) as client:
        answer = json.loads((await client.call_tool("execute_batch", {"calls": calls, "on_error": "continue"})).content[0].text)  # type: ignore[union-attr]
    assert answer["status"] == "partial"
    assert answer["results"][0]["message"].startswith(
        "desk.ask_back asks its client for something, which a batch cannot pass on: call it with execute"
    )
    assert answer["results"][1]["result"]["note"]["lines"] == ["after"]
    answer = await batches.run(*calls, on_error="continue")
    assert "which this client cannot give" in answer["results"][0]["message"]


async def test_no_batch_takes_more_than_eight_places_at_once(batches: Batches) -> None:
    task = asyncio.create_task(batches.run(*[{"tool": "desk.hold"}] * 12, mode="parallel"))
    await eventually(lambda: batches.desk.held == 8)
    batches.desk.release.set()
    assert (await task)["status"] == "ok"
    assert batches.desk.most_held == 8


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_client_that_wants_progress_hears_of_every_call_that_ended(batches: Batches, era: Any) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    async with Client(batches.server.url, mode=era) as client:
        calls = [write("a", id="first"), TEAR, write("c")]
        await client.call_tool("execute_batch", {"calls": calls}, progress_callback=progress)
        await eventually(lambda: len(heard) == 3)
    assert heard == [(1, 3, "first ok"), (2, 3, "1 failed"), (3, 3, "2 skipped")]
