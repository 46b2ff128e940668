"""Files go into jobs and come out of them, by handle, through every replica."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_optimizer.lane import Artifact, JobOutcome, JobRequest, OnCall, OnOutput
from tests.agent_process import POOL_KEY
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.test_code import FunctionLane
from tests.warm_pods import OWNER, WarmPods

pytestmark = pytest.mark.integration
SANDBOX = {"enabled": True, "queueSeconds": 20, "timeoutSeconds": 20, "memoryBytes": 256 * 1024 * 1024}


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[WarmPods]:
    pods = WarmPods(tmp_path)
    yield pods
    pods.close()


def answer(result: Any) -> dict[str, Any]:
    return dict(json.loads(result.content[0].text))


async def run(server: Running, pods: WarmPods, **arguments: Any) -> dict[str, Any]:
    """One job in a Pod of its own."""
    await pods.add()
    async with Client(server.url) as client:
        return answer(await client.call_tool("execute_code", arguments))


async def test_what_one_job_leaves_is_read_through_any_replica_and_given_to_the_next_job(pods: WarmPods, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    write_config(config, {}, sandbox=SANDBOX, uid=OWNER)
    binary = bytes(range(256)) * 4096
    async with (
        serving(config, lane=pods.lane(), key_file=pods.key_file) as one,
        serving(config, lane=pods.lane(), key_file=pods.key_file) as two,
    ):
        for server in (one, two):
            await server.tools_ready(0)
        code = "(artifacts / 'a').mkdir()\n(artifacts / 'a' / 'all.bin').write_bytes((files / 'in.bin').read_bytes())\n"
        code += "(artifacts / 'note.txt').write_text((files / 'sub/note').read_text() * 10)\nNone"
        given = {"in.bin": {"base64": base64.b64encode(binary).decode()}, "sub/note": "Grüße\n", "empty": ""}
        left = await run(one, pods, code=code, files=given)
        first, note = left["artifacts"]
        assert (first["name"], first["bytes"], first["sha256"]) == ("a/all.bin", len(binary), hashlib.sha256(binary).hexdigest())
        async with Client(two.url) as client:
            assert client.server_capabilities.resources is not None
            uri = f"artifact:///{first['handle']}"
            (content,) = (await client.read_resource(uri)).contents
            assert (content.uri, base64.b64decode(content.blob)) == (uri, binary)  # type: ignore[union-attr]
            cursor = {"cursor": f"{note['handle']}@0"}
            assert (await client.call_tool("discover", cursor)).content[0].text == "Grüße\n" * 10  # type: ignore[union-attr]
            refused = answer(await client.call_tool("discover", {"cursor": f"{first['handle']}@128"}))
            assert (refused["code"], "is no text" in refused["message"]) == (400, True)
            with pytest.raises(MCPError, match="copy it exactly"):
                await client.read_resource("artifact:///" + "x" * 40)
        given = {"again.bin": {"artifact": uri}, "note": {"artifact": note["handle"]}}
        code = "import hashlib\n[hashlib.sha256((files / 'again.bin').read_bytes()).hexdigest(), open('in/note').readline()]"
        assert (await run(two, pods, code=code, files=given))["result"] == [first["sha256"], "Grüße\n"]
        assert 'mcp_optimizer_artifacts_total{outcome="kept"} 2.0' in (await one.get("/metrics"))[1]
        (expired,) = [name for name in (await two.get("/metrics"))[1].splitlines() if name.startswith("mcp_optimizer_artifact_bytes_total")]
        assert expired.endswith(" 0.0")


async def test_what_is_left_out_is_told_with_the_reason_and_the_job_succeeds(pods: WarmPods, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    write_config(config, {}, sandbox={**SANDBOX, "maxArtifacts": 2, "maxArtifactBytes": 1000}, uid=OWNER)
    async with serving(config, lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(0)
        code = "for name, size in (('a', 900), ('b', 101), ('c', 100), ('d', 0)):\n    (artifacts / name).write_bytes(b'x' * size)"
        shown = await run(server, pods, code=code + "\n(artifacts / 'link').symlink_to('/etc/passwd')\n7")
        assert (shown["result"], [item["name"] for item in shown["artifacts"]]) == (7, ["a", "c"])
        assert shown["artifacts_left_out"] == [
            {"name": "b", "reason": "it has 101 bytes, and of 1000 for all files (spec.sandbox.artifacts.maxBytes) 100 are left"},
            {"name": "d", "reason": "at most 2 files are taken (spec.sandbox.artifacts.maxCount)"},
            {"name": "link", "reason": "it is a symbolic link, not a regular file"},
        ]


async def test_files_of_a_replica_without_memory_are_left_out_and_nothing_stays_counted(pods: WarmPods, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    limits = {"messageMemoryBytes": 1024 * 1024}
    write_config(config, {}, sandbox=SANDBOX, uid=OWNER, limits=limits)
    async with serving(config, lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(0)
        code = "(artifacts / 'big').write_bytes(b'x' * 3_000_000)\n(artifacts / 'small').write_bytes(b'x')\n7"
        shown = await run(server, pods, code=code)
        assert (shown["result"], [item["name"] for item in shown["artifacts"]]) == (7, ["small"])
        assert "no memory left" in shown["artifacts_left_out"][0]["reason"]
        await eventually(lambda: server.process.federation.memory.taken == 0)


IMPOSSIBLE: list[tuple[Any, str]] = [
    ([], "files must be an object of at most 64 names"),
    ({"../up": ""}, "'../up' cannot be a file below in/: its name must be a relative path"),
    ({"/etc/passwd": ""}, "must be a relative path"),
    ({"a\nb": ""}, "control characters"),
    ({"a": "", "a/b": ""}, "'a' cannot be a file and the folder of 'a/b'"),
    ({"a": 1}, "'a' must be text, {\"base64\""),
    ({"a": {"base64": "?"}}, "'a' is no base64 text"),
    ({"a": {"artifact": "x" * 40}}, "no handle of this endpoint"),
    ({str(number): "" for number in range(65)}, "at most 64 names"),
]


async def test_files_that_cannot_be_are_refused_before_a_sandbox_is_taken(pods: WarmPods, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    write_config(config, {}, sandbox=SANDBOX, uid=OWNER)
    async with serving(config, lane=pods.lane(), key_file=pods.key_file) as server:
        await server.tools_ready(0)
        async with Client(server.url) as client:
            for files, message in IMPOSSIBLE:
                refused = answer(await client.call_tool("execute_code", {"code": "1", "files": files}))
                assert refused["code"] == 400
                assert message in refused["message"]


async def test_files_of_a_batch_weigh_while_their_job_runs_and_no_longer(tmp_path: Path) -> None:
    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        if not job.files:
            return JobOutcome(ok=True, artifacts=(Artifact("data", b"x" * 2**20),))
        return JobOutcome(ok=True, value=len(job.files[0].data))

    config = tmp_path / "config.json"
    (tmp_path / "key").write_bytes(POOL_KEY)
    sandbox = {"enabled": True, "maxConcurrent": 2}
    write_config(config, {}, sandbox=sandbox, limits={"messageMemoryBytes": 2 * 2**20})
    async with serving(config, lane=FunctionLane(body), key_file=tmp_path / "key") as server:
        await server.tools_ready(0)
        async with Client(server.url) as client:
            left = answer(await client.call_tool("execute_code", {"code": "1"}))
            files = {"data": {"artifact": left["artifacts"][0]["handle"]}}
            arguments = {"code": "1", "files": files, "batch": [{}] * 4}
            assert [item.get("result") for item in answer(await client.call_tool("execute_code", arguments))["results"]] == [2**20] * 4
