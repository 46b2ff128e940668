"""The example server speaks MCP: seen through the official client, in both eras of the protocol."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from acme.catalogue import load
from acme.endpoint import application
from mcp import Client


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A running server on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application(load()), log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        server.should_exit = True
        thread.join(timeout=30)


async def test_a_client_lists_and_calls(url: str) -> None:
    async with Client(url) as client:
        assert len((await client.list_tools()).tools) >= 150
        result = await client.call_tool("billing_list_invoices", {"limit": 3})
        assert not result.is_error
        assert len((result.structured_content or {})["invoices"]) == 3


async def test_a_mistake_is_a_tool_error_and_not_a_broken_connection(url: str) -> None:
    async with Client(url) as client:
        wrong = await client.call_tool("billing_list_invoices", {"limit": "many"})
        assert wrong.is_error
        assert "limit" in str(wrong.content)
        unknown = await client.call_tool("nothing_like_this", {})
        assert unknown.is_error
        right = await client.call_tool("crm_search_customers", {"query": "bakery"})
        assert not right.is_error
