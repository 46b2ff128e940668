"""A recorded job runs again in another Pod, from its recording alone."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.test_tasks import ask, ended
from tests.integration.server.upstreams import TOOLS, Modern
from tests.warm_pods import OWNER, WarmPods

pytestmark = pytest.mark.integration
SANDBOX = {"enabled": True, "queueSeconds": 20, "timeoutSeconds": 20, "memoryBytes": 256 * 1024 * 1024}
RECORDING = {"enabled": True, "retentionSeconds": 600, "maxBytes": 1024 * 1024}
JOB = """
import asyncio, random
cities = ["Ulm", "Bonn", "Kiel"]
found = await asyncio.gather(*(acall("good.weather", city=city) for city in cities))
print(random.random(), list({"a", "b", "c", "d", "e", "f"}), (files / "names.txt").read_text())
print([item["city"] for item in found])
try:
    call("good.fail")
except ToolError as error:
    print(error)
print(tools.good.weather(city="Rome"), search("weather")[0]["id"])
(artifacts / "out.txt").write_text("x" * random.randrange(1000))
found[0]["celsius"] * random.randrange(10**9)
"""


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[WarmPods]:
    pods = WarmPods(tmp_path)
    yield pods
    pods.close()


def configure(folder: Path, upstream: Modern, recording: dict[str, Any] | None = None) -> Path:
    config = folder / "config.json"
    write_config(config, {"good": upstream.url}, sandbox=SANDBOX, uid=OWNER, recording=recording or RECORDING)
    return config


async def run(server: Running, pods: WarmPods, **arguments: Any) -> dict[str, Any]:
    """One job in a Pod of its own."""
    await pods.add()
    async with Client(server.url) as client:
        result = await client.call_tool("execute_code", arguments)
    return dict(json.loads(result.content[0].text))  # type: ignore[union-attr]


async def test_a_replay_ends_as_the_recording_and_no_server_hears_of_it(start: Start, pods: WarmPods, tmp_path: Path) -> None:
    good = await start(Modern())
    config = configure(tmp_path, good)
    async with (
        serving(config, lane=pods.lane(), key_file=pods.key_file) as one,
        serving(config, lane=pods.lane(), key_file=pods.key_file) as two,
    ):
        for server in (one, two):
            await server.tools_ready(len(TOOLS))
        first = await run(one, pods, code=JOB, files={"names.txt": "Ann"})
        calls = len(good.calls)
        again = await run(two, pods, replay=first["recording"])
        assert again["replay"] == {"identical": True}
        assert (again["result"], again["stdout"]) == (first["result"], first["stdout"])
        assert [item["sha256"] for item in again["artifacts"]] == [item["sha256"] for item in first["artifacts"]]
        assert len(good.calls) == calls == 5
        metrics = (await two.get("/metrics"))[1]
        assert 'mcp_optimizer_replays_total{outcome="identical"} 1.0' in metrics
        assert "mcp_optimizer_recordings 1.0" in (await one.get("/metrics"))[1]


async def test_a_replay_names_the_first_call_that_differs_or_the_first_part_of_the_outcome(
    start: Start, pods: WarmPods, tmp_path: Path
) -> None:
    good = await start(Modern())
    async with serving(configure(tmp_path, good), lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(len(TOOLS))
        code = "for city in params['cities']:\n    print(call('good.weather', city=city)['city'])"
        first = await run(server, pods, code=code, params={"cities": ["Ulm", "Bonn", "Kiel"]})
        calls = len(good.calls)
        other = await run(server, pods, replay=first["recording"], code=code.replace("city=city", "city=city.replace('Bonn', 'Rome')"))
        assert other["replay"] == {
            "identical": False,
            "first_difference": {
                "call": 2,
                "recorded": {"tool": "good.weather", "arguments": {"city": "Bonn"}},
                "actual": {"tool": "good.weather", "arguments": {"city": "Rome"}},
            },
        }
        assert "did not make this call" in other["message"]
        other = await run(server, pods, replay=first["recording"], code=code.replace("print(", "print('-', "))
        assert other["replay"]["first_difference"] == {
            "part": "stdout",
            "at": 0,
            "recorded": "Ulm\nBonn\nKiel\n",
            "actual": "- Ulm\n- Bonn\n- Kiel\n",
        }
        other = await run(server, pods, replay=first["recording"], code=code.replace("params['cities']", "params['cities'][:2]"))
        assert other["replay"]["first_difference"] == {
            "call": 3,
            "recorded": {"tool": "good.weather", "arguments": {"city": "Kiel"}},
            "actual": None,
        }
        assert len(good.calls) == calls


async def test_calls_in_another_order_find_their_answers_and_the_order_is_told(start: Start, pods: WarmPods, tmp_path: Path) -> None:
    good = await start(Modern())
    async with serving(configure(tmp_path, good), lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(len(TOOLS))
        code = "sorted(call('good.weather', city=city)['city'] for city in ('Ulm', 'Bonn'))"
        first = await run(server, pods, code=code)
        other = await run(server, pods, replay=first["recording"], code=code.replace("('Ulm', 'Bonn')", "('Bonn', 'Ulm')"))
        assert other["replay"]["identical"] is True
        assert other["replay"]["order"]["call"] == 1
        assert other["replay"]["order"]["actual"]["arguments"] == {"city": "Bonn"}


async def test_a_recording_that_is_too_large_leaves_the_job_its_success(start: Start, pods: WarmPods, tmp_path: Path) -> None:
    good = await start(Modern())
    config = configure(tmp_path, good, {**RECORDING, "maxBytes": 65536})
    async with serving(config, lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(len(TOOLS))
        shown = await run(server, pods, code="call('good.weather', city='x' * 70000)['celsius']")
        assert shown["result"] == 21
        assert shown["not_recorded"] == "it has more than the 65536 bytes that are kept (spec.recording.maxBytes)"
        shown = await run(server, pods, code="1", record=False)
        assert not {"recording", "not_recorded"} & shown.keys()
        assert 'mcp_optimizer_jobs_recorded_total{outcome="given_up"} 1.0' in (await server.get("/metrics"))[1]


async def test_a_job_that_becomes_a_task_is_recorded_and_leaves_its_files(start: Start, pods: WarmPods, tmp_path: Path) -> None:
    good = await start(Modern())
    async with serving(configure(tmp_path, good), lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(len(TOOLS))
        await pods.add()
        code = "import time\ntime.sleep(1.5)\n(artifacts / 'a').write_bytes(b'x' * 100_000)\ncall('good.weather', city='U' * 30_000)['celsius']"
        task = (await ask(server.url, "tools/call", {"name": "execute_code", "arguments": {"code": code}}))["result"]
        assert task["resultType"] == "task"
        shown = json.loads((await ended(server.url, task["taskId"]))["result"]["content"][0]["text"])
        assert (shown["result"], shown["artifacts"][0]["bytes"]) == (21, 100_000)
        assert (await run(server, pods, replay=shown["recording"]))["replay"] == {"identical": True}


async def test_recordings_that_nobody_has_are_refused_with_the_way_out(start: Start, pods: WarmPods, tmp_path: Path) -> None:
    good = await start(Modern())
    config = configure(tmp_path, good, {**RECORDING, "retentionSeconds": 1})
    async with serving(config, lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(len(TOOLS))
        first = await run(server, pods, code="1")
        async with Client(server.url) as client:

            async def refused(**arguments: Any) -> dict[str, Any]:
                result = await client.call_tool("execute_code", arguments)
                return dict(json.loads(result.content[0].text))  # type: ignore[union-attr]

            unknown = await refused(replay="x" * 40)
            assert (unknown["code"], "copy the handle exactly" in unknown["message"]) == (404, True)
            assert (await refused(replay=first["recording"], params={}))["code"] == 400
            # Time passes by the clock of the sealer: nobody waits for it here.
            server.process.sealer._clock = lambda: 4_000_000_000.0
            expired = await refused(replay=first["recording"])
            assert (expired["code"], "record the job again" in expired["message"]) == (404, True)
            write_config(config, {"good": good.url}, sandbox=SANDBOX, uid=OWNER, recording={"enabled": False})
            await eventually(lambda: not server.process.recordings.enabled)
            for arguments in ({"code": "1", "record": True}, {"replay": first["recording"]}):
                off = await refused(**arguments)
                assert (off["code"], "set spec.recording.enabled" in off["message"]) == (403, True)
