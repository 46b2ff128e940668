"""The servers as one whole: what goes wrong with one change stops no later one."""

import asyncio
from typing import Any

import pytest

from mcp_operator.desired import pod
from mcp_optimizer import federation
from mcp_optimizer.federation import Federation
from mcp_optimizer.settings import Settings
from mcp_optimizer.snapshot import Snapshot, compile_snapshot
from mcp_optimizer_api.config import SandboxConfig, ServerConfig


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


def test_the_drain_fits_into_the_grace_period_of_the_pod() -> None:
    settings = Settings(config="file:x")
    assert pod.DRAIN_SECONDS + settings.drain_seconds + settings.finish_seconds <= pod.GRACE_SECONDS - 5
