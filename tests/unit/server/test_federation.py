"""The servers as one whole: what goes wrong with one change stops no later one."""

import asyncio
from typing import Any, cast

import pytest

from mcp_operator.desired import pod
from mcp_operator.desired.grace import grace_seconds
from mcp_optimizer import federation
from mcp_optimizer.federation import Federation
from mcp_optimizer.settings import from_environment
from mcp_optimizer.snapshot import Snapshot, compile_snapshot
from mcp_optimizer.upstream.upstream import Upstream
from mcp_optimizer.upstream.wire import Wire
from mcp_optimizer_api.config import SandboxConfig, ServerConfig, UpstreamConfig


async def test_a_snapshot_that_cannot_be_compiled_keeps_no_later_one_from_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federation, "GATHER_SECONDS", 0.0)
    published: asyncio.Queue[Snapshot] = asyncio.Queue()
    servers = Federation(published.put_nowait)
    await servers.start()
    try:
        await servers.apply(ServerConfig(namespace="n", name="x", uid="u", sandbox=SandboxConfig(enabled=False)), b"1")
        await published.get()
        failed = asyncio.Event()

        def broken(*_: Any) -> Snapshot:
            failed.set()
            raise TypeError("no rule foresaw this")

        monkeypatch.setattr(federation, "compile_snapshot", broken)
        servers._changed.set()
        await asyncio.wait_for(failed.wait(), 30)
        monkeypatch.setattr(federation, "compile_snapshot", compile_snapshot)
        servers._changed.set()
        assert (await asyncio.wait_for(published.get(), 30)).config_hash
    finally:
        await servers.close()


async def test_a_server_that_went_is_stopped_even_when_what_follows_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Snapshot:
        raise TypeError("no rule foresaw this")

    stopped: asyncio.Queue[str] = asyncio.Queue()

    async def stop(upstream: Upstream) -> None:
        stopped.put_nowait(upstream.name)

    gone = Upstream(UpstreamConfig(name="gone", url="http://gone/mcp"), Wire(*[cast(Any, None)] * 4), lambda: None)
    monkeypatch.setattr(Upstream, "stop", stop)
    monkeypatch.setattr(federation, "compile_snapshot", broken)
    servers = Federation()
    await servers.start()
    servers._upstreams["gone"] = gone
    try:
        with pytest.raises(TypeError):
            await servers.apply(ServerConfig(namespace="n", name="x", uid="u", sandbox=SandboxConfig(enabled=False)), b"1")
        assert await asyncio.wait_for(stopped.get(), 30) == "gone"
    finally:
        await servers.close()


@pytest.mark.parametrize(("seconds", "grace"), [(30, 60), (31, 60), (41, 120), (300, 600), (3600, 3720)])
def test_the_longest_call_fits_into_the_grace_period_of_the_pod(seconds: int, grace: int) -> None:
    upstreams = [UpstreamConfig(name="a", url="http://a/mcp", timeout_seconds=seconds)]
    config = ServerConfig(namespace="n", name="x", uid="u", upstreams=upstreams, sandbox=SandboxConfig(enabled=True))
    assert grace_seconds(config) == grace
    settings = from_environment({"MCP_CONFIG": "file:x", "MCP_GRACE_SECONDS": str(grace - pod.DRAIN_SECONDS)})
    assert settings.finish_seconds >= seconds + config.limits.queue_seconds
    assert pod.DRAIN_SECONDS + settings.drain_seconds + settings.finish_seconds <= grace - 5


def test_a_change_of_a_timeout_within_a_step_restarts_no_server_pod() -> None:
    graces = {
        grace_seconds(
            ServerConfig(
                namespace="n",
                name="x",
                uid="u",
                upstreams=[UpstreamConfig(name="a", url="u", timeout_seconds=seconds)],
                sandbox=SandboxConfig(enabled=False),
            )
        )
        for seconds in range(1, 41)
    }
    assert graces == {60}
