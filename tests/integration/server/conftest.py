"""Upstreams that end with their test."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.integration.server.upstreams import Fake

Start = Callable[[Fake], Awaitable[Fake]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts an upstream, and stops it at the end."""
    started: list[Fake] = []

    async def begin(fake: Fake) -> Fake:
        started.append(await fake.start())
        return fake

    yield begin
    for fake in started:
        await fake.stop()
