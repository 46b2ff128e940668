"""Answers that are cut, and how a client gets the rest: from any replica, and without a tool of its own."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.desk import DESK, Desk, book
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.test_code import FunctionLane, JobOutcome
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
NOTE = re.compile(r'\n\[cut at (\d+) of (\d+) bytes; rest: discover \{"cursor":"([^"]+)"\}\]$')
LIMIT = 24 * 1024


def only(result: Any) -> str:
    assert len(result.content) == 1
    return str(result.content[0].text)


async def rest(client: Client, first: str, sizes: list[int] | None = None) -> str:
    """The whole text whose first part this is."""
    whole, part = "", first
    for _ in range(100):
        if sizes is not None:
            sizes.append(len(part.encode()))
        found = NOTE.search(part)
        if found is None:
            return whole + part
        whole += part[: found.start()]
        assert len(whole.encode()) == int(found[1])
        part = only(await client.call_tool("discover", {"cursor": found[3]}))
    raise AssertionError("there is no end")


async def test_a_long_result_is_cut_at_a_line_and_fetched_to_the_end_from_any_replica(start: Start, tmp_path: Path) -> None:
    desk = Desk()
    await start(desk)
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    write_config(tmp_path / "config.json", {"desk": desk.url})
    async with serving(tmp_path / "config.json", key_file=key) as one, serving(tmp_path / "config.json", key_file=key) as two:
        await one.tools_ready(len(DESK))
        await two.tools_ready(len(DESK))
        async with Client(one.url) as client, Client(two.url) as other:
            first = only(await client.call_tool("execute", {"tool": "desk.read_book", "arguments": {"lines": 5000}}))
            sizes: list[int] = []
            assert await rest(other, first, sizes) == book(5000)
            assert max(sizes) < LIMIT + 200
            assert NOTE.search(first) and NOTE.sub("", first).endswith("of the böok\n"), "not cut behind a line"
            assert NOTE.search(only(await client.call_tool("execute", {"tool": "desk.read_book", "arguments": {"lines": 700}}))) is None
            assert len(desk.calls) == 2, "the rest must not call the tool again"
            forged = {"cursor": "A" * 43 + "@0"}
            assert '"code":400' in only(await client.call_tool("discover", forged))


async def test_the_limit_is_that_of_the_configuration_and_holds_for_code_too(start: Start, tmp_path: Path) -> None:
    desk = Desk()
    await start(desk)
    write_config(tmp_path / "config.json", {"desk": desk.url}, tools={"maxResultBytes": 2048})

    async def body(*_: Any) -> JobOutcome:
        return JobOutcome(ok=True, value=list(range(2000)))

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(len(DESK))
        async with Client(server.url) as client:
            first = only(await client.call_tool("execute_code", {"code": "1"}))
            assert len(first) < 2048 + 200
            assert json.loads(await rest(client, first))["result"] == list(range(2000))
            first = only(await client.call_tool("execute", {"tool": "desk.read_book", "arguments": {"lines": 100}}))
            assert NOTE.search(first)


async def test_nothing_is_cut_in_direct_mode(start: Start, tmp_path: Path) -> None:
    desk = Desk()
    await start(desk)
    write_config(tmp_path / "config.json", {"desk": desk.url}, mode="mcp_only", tools={"maxResultBytes": 2048})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(DESK))
        async with Client(server.url) as client:
            assert only(await client.call_tool("desk.read_book", {"lines": 3000})) == book(3000)


async def pages(client: Client, **arguments: Any) -> Iterable[str]:
    """Lines of every page, without those that name the next one."""
    lines: list[str] = []
    for _ in range(100):
        page = only(await client.call_tool("discover", arguments)).splitlines()
        more = re.search(r"^(?:\d+ more|more): .*?cursor (\S+)$", page[-1])
        if more is None:
            return lines + page
        lines += page[:-1]
        arguments["cursor"] = more[1]
    raise AssertionError("there is no end")


async def test_everything_that_discover_finds_is_reached_page_by_page_and_once(start: Start, tmp_path: Path) -> None:
    many = [
        {"name": f"paint_{number:03}", "description": f"Paint wall {number}.", "inputSchema": {"type": "object"}} for number in range(130)
    ]
    one, two = await start(Modern(many)), await start(Modern(many[:20]))
    servers = {f"empty-{number:03}": "http://127.0.0.1:9/mcp" for number in range(105)}
    write_config(tmp_path / "config.json", {"one": one.url, "two": two.url, **servers})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(150)
        async with Client(server.url) as client:
            listed = await pages(client, ids=["one"], detail="names")
            assert listed == [f"one.{tool['name']}" for tool in many]
            assert (await pages(client, ids=["two"]))[0] == "two.paint_000(): Paint wall 0"
            hits = [line for line in await pages(client, query="paint wall", detail="names") if line != "No more tools match."]
            assert len(hits) == len(set(hits)) == 150
            assert len(list(await pages(client))) == 107 + 1

            async def refused(**arguments: Any) -> bool:
                return '"code":400' in only(await client.call_tool("discover", arguments))

            cursor = only(await client.call_tool("discover", {"query": "paint wall"})).split()[-1]
            assert await refused(query="another wall", cursor=cursor)
            assert await refused(ids=["two"], cursor="one.paint_003")
            assert await refused(cursor="one.paint_003")
            assert await refused(query="paint", cursor=7)


async def test_a_page_is_right_although_the_catalogue_changed_since_the_last_one(start: Start, tmp_path: Path) -> None:
    def painting(*numbers: int) -> list[dict[str, Any]]:
        return [{"name": f"paint_{number:03}", "description": "Paint a wall.", "inputSchema": {"type": "object"}} for number in numbers]

    fake = await start(Modern(painting(*range(0, 40, 2))))
    write_config(tmp_path / "config.json", {"one": fake.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(20)
        async with Client(server.url) as client:
            listed = only(await client.call_tool("discover", {"ids": ["one"], "detail": "names", "limit": 10})).splitlines()
            hits = only(await client.call_tool("discover", {"query": "paint wall", "detail": "names"})).splitlines()
            fake.tools = painting(1, *range(0, 18, 2), *range(20, 40, 2))  # one new in front, the last one shown is gone
            for upstream in server.process.federation._upstreams.values():
                await upstream.refresh()
            await eventually(lambda: "one.paint_001" in server.process.federation.snapshot.tools)  # type: ignore[union-attr]
            after = {"ids": ["one"], "detail": "names", "cursor": listed[-1].split()[-1]}
            assert only(await client.call_tool("discover", after)).splitlines() == [f"one.paint_{number:03}" for number in range(20, 40, 2)]
            more = {"query": "paint wall", "detail": "names", "cursor": hits[-1].split()[-1]}
            again = only(await client.call_tool("discover", more)).splitlines()[:-1]
            assert again == [f"one.paint_{number:03}" for number in (16, *range(20, 34, 2))]
