"""The life of the process: a signal ends it at every stage, and leaves the Lease to the next one."""

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import cast

import pytest
from tests.unit.operator.fake_api import FakeApi

from mcp_operator.app import App, _lead
from mcp_operator.client import Client
from mcp_operator.lease import Lease
from mcp_operator.metrics import Metrics


class Loading:
    """An App that lists a large cluster and never gets any further."""

    def __init__(self, *, leader_election: bool) -> None:
        self.settings = SimpleNamespace(leader_election=leader_election)
        self.metrics = Metrics(version="1")
        self.began = asyncio.Event()

    async def run(self) -> None:
        self.began.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("leader_election", [True, False])
async def test_a_signal_while_the_cluster_is_listed_ends_the_process(leader_election: bool) -> None:
    app = Loading(leader_election=leader_election)
    lease = Lease(cast(Client, FakeApi()), namespace="ops", name="mcp-operator", identity="a")
    leading = asyncio.create_task(_lead(cast(App, app), lease))
    async with asyncio.timeout(10):
        await app.began.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await leading
    assert not leading.cancelled()


async def test_a_signal_ends_the_wait_for_the_lease() -> None:
    app, api = Loading(leader_election=True), FakeApi()
    await Lease(cast(Client, api), namespace="ops", name="mcp-operator", identity="other").acquire()
    leading = asyncio.create_task(
        _lead(cast(App, app), Lease(cast(Client, api), namespace="ops", name="mcp-operator", identity="a", period=0.001))
    )
    await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await leading
    assert not app.began.is_set()
