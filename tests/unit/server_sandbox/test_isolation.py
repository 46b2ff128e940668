"""The isolation probe: what it sees, how that is judged, who runs it, and what a failure does to jobs."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.kube import Event
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane, probe_code, prober
from mcp_optimizer.sandbox.announcements import Announcements
from mcp_optimizer.sandbox.claims import Claims
from mcp_optimizer.sandbox.isolation import judge
from mcp_optimizer.sandbox.pods import SandboxPod, parse
from mcp_optimizer.sandbox.probe_code import look
from mcp_optimizer.sandbox.prober import Prober
from mcp_optimizer_api.names import TEMPLATE_HASH_ANNOTATION
from mcp_optimizer_api.stats import IsolationReport

from .conftest import OWNER, FakeWatch, config, eventually, manifest
from .test_replicas import server

GOOD: dict[str, Any] = {
    "kernel": "Linux version 6.1.0-13-amd64 (x)",
    "uid": 20001,
    "seccomp": "2",
    "capabilities": "0000000000000000",
    "noNewPrivs": 1,
    "writable": [],
    "diskFiles": [],
    "token": False,
    "environment": [],
    "reached": [],
    "resolved": False,
}
GVISOR = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"


def made(name: str, template: str, port: int = 1, **spec: Any) -> dict[str, Any]:
    """A warm Pod of a template."""
    found = manifest(name, port)
    found["metadata"]["annotations"] = {TEMPLATE_HASH_ANNOTATION: template}
    found["spec"].update(spec)
    return found


def pod(*, runtime_class: str = "", egress: str = "") -> SandboxPod:
    """The Pod that was looked at from inside."""
    raw = made("a", "t1", runtimeClassName=runtime_class)
    raw["spec"]["containers"][0]["env"].append({"name": "MCP_SANDBOX_EGRESS", "value": egress})
    found = parse(raw)
    assert found is not None
    return found


def test_a_confined_sandbox_is_verified_with_its_kernel_named() -> None:
    report = judge(GOOD, pod())
    assert (report.template, report.verified, report.runtime, report.problem) == ("t1", True, "Linux version 6.1.0-13-amd64", "")


@pytest.mark.parametrize("value", [None, 7, {}, "x", [["deep"]], "\x1b[2J \ud800", [None]], ids=repr)
@pytest.mark.parametrize("name", GOOD)
def test_whatever_a_sandbox_says_of_itself_is_judged_and_shown_in_plain_letters(name: str, value: Any) -> None:
    report = judge({**GOOD, name: value}, pod())
    assert report.verified == (name == "kernel" or (name, value) == ("uid", 7))
    assert (report.runtime + report.problem).isascii() and (report.runtime + report.problem).isprintable()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uid": 0}, "runs as root: use"),
        ({"capabilities": "00000000a80425fb"}, "has capabilities"),
        ({"noNewPrivs": 0}, "may gain privileges"),
        ({"seccomp": "0"}, "RuntimeDefault"),
        ({"writable": ["/dev/shm", "/etc"]}, "root file system can be written"),
        ({"diskFiles": ["/dev/termination-log"]}, r"disk \(/dev/termination-log\): build spec.sandbox.image"),
        ({"token": True}, "automountServiceAccountToken"),
        ({"environment": ["KUBERNETES_PORT"]}, "KUBERNETES_ variables"),
        ({"reached": ["API server"]}, r"reaches the network \(API server\): use a network plugin"),
        ({"resolved": True}, "resolves names"),
    ],
)
def test_each_missing_wall_is_named_with_its_fix(change: dict[str, Any], words: str) -> None:
    report = judge({**GOOD, **change}, pod())
    assert not report.verified
    assert re.search(words, report.problem)


def test_what_a_sandbox_leaves_out_counts_against_it() -> None:
    assert all(
        not judge({name: value for name, value in GOOD.items() if name != left_out}, pod()).verified for left_out in set(GOOD) - {"kernel"}
    )


def test_a_class_named_gvisor_needs_the_kernel_of_gvisor() -> None:
    assert "RuntimeClass is gvisor" in judge(GOOD, pod(runtime_class="gvisor")).problem
    report = judge({**GOOD, "kernel": GVISOR, "seccomp": ""}, pod(runtime_class="gvisor"))
    assert (report.verified, report.runtime) == (True, "gVisor")


def test_only_the_switch_for_open_networks_excuses_an_open_network() -> None:
    assert judge({**GOOD, "reached": ["API server"], "resolved": True}, pod(egress="unchecked")).verified
    assert not judge({**GOOD, "uid": 0}, pod(egress="unchecked")).verified


def test_the_probe_sees_what_its_process_is() -> None:
    seen = look({"nobody": ["127.0.0.1", 1]})
    assert set(seen) == set(GOOD)
    assert "Linux version" in seen["kernel"]
    assert seen["reached"] == []


def test_the_probe_finds_single_files_of_the_node_that_it_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "log").touch(mode=0o666)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "".join(f"1 0 0:1 / {place} rw - ext4 /dev/vda rw\n" for place in (tmp_path, tmp_path / "log", tmp_path / "none", "/dev/null"))
    )
    assert probe_code._disk_files(str(mounts)) == [str(tmp_path / "log")]


async def run(lane: PodLane) -> JobOutcome:
    """A job without tools."""

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True)

    return await lane.run(JobRequest(code="6*7"), on_call)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(prober, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(prober, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(prober, "METADATA", ("127.0.0.1", 1))


async def test_one_pod_of_a_template_is_probed_and_jobs_go_on(
    lane: PodLane, spawn: Callable[..., AgentProcess], watch: FakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "judge", lambda seen, pod: judge({**GOOD, "kernel": seen["kernel"]}, pod))
    agents = [await asyncio.to_thread(spawn, name, announce=False) for name in "abc"]
    watch.tell("listed", *(made(agent.pod, "t1", agent.port) for agent in agents))
    await eventually(lambda: lane.stats().isolation)
    stats = lane.stats()
    assert [(report.template, report.verified) for report in stats.isolation] == [("t1", True)]
    assert (stats.jobs, stats.succeeded, stats.warm_seen) == (0, 0, 2)
    assert [(await run(lane)).value for _ in range(2)] == [42, 42]
    assert lane.stats().warm_seen == 0


async def test_pods_of_a_template_that_failed_its_probe_take_no_job(
    lane: PodLane, spawn: Callable[..., AgentProcess], watch: FakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "judge", lambda seen, pod: judge({**GOOD, "uid": 0}, pod))
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    agents = [await asyncio.to_thread(spawn, name, announce=False) for name in "ab"]
    watch.tell("listed", *(made(agent.pod, "t1", agent.port) for agent in agents))
    await eventually(lambda: lane.stats().isolation)
    with pytest.raises(CallFailure, match="a sandbox was probed, and its code runs as root: use"):
        await run(lane)
    other = await asyncio.to_thread(spawn, "c", announce=False)
    watch.tell("changed", made("c", "", other.port))
    assert (await run(lane)).value == 42


async def test_a_single_warm_pod_is_left_to_jobs_for_a_while(lane: PodLane, spawn: Callable[..., AgentProcess], watch: FakeWatch) -> None:
    agent = await asyncio.to_thread(spawn, "a", announce=False)
    watch.tell("listed", made("a", "t1", agent.port))
    assert (await run(lane)).value == 42
    assert lane.stats().isolation == []


async def test_replicas_that_do_not_own_a_template_take_the_word_of_the_one_that_does() -> None:
    views: dict[str, Prober] = {}
    probed: list[str] = []

    def replica(name: str) -> Prober:
        claims = Claims(FakeWatch(), Path("none"), name, Announcements())
        claims.replicas.apply(Event("listed", tuple(server(each) for each in "abc")))
        claims.pool.apply(Event("listed", (made("p", "t1"), made("q", "t1"))))

        async def probe(job: JobRequest) -> tuple[SandboxPod, JobOutcome]:
            probed.append(name)
            return pod(), JobOutcome(ok=True, value={**GOOD, "uid": 0})

        async def ask(other: Any, template: str) -> IsolationReport | None:
            return views[other.name].own_report(template)

        return Prober(claims, probe, ask)

    for name in "abc":
        views[name] = replica(name)
    watching = [asyncio.create_task(view.watch()) for view in views.values()]
    try:
        await eventually(lambda: all(view.problem("t1") for view in views.values()))
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    assert len(probed) == 1
