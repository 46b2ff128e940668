"""What an agent does, with the official client SDK."""

import json
from typing import Any

from mcp import Client


async def call(url: str, name: str, /, **arguments: Any) -> tuple[bool, str, Any]:
    """Call a tool: whether it failed, its text, and its structured content or the text parsed as JSON."""
    async with Client(url, read_timeout_seconds=90) as client:
        result = await client.call_tool(name, arguments)
    text = "\n".join(block.text for block in result.content if block.type == "text")
    value = result.structured_content
    if value is None:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
    return bool(result.is_error), text, value


async def run_code(url: str, code: str, **params: Any) -> tuple[bool, str, Any]:
    """Run code in a sandbox."""
    return await call(url, "execute_code", code=code, params=params)


async def tools(url: str) -> list[Any]:
    """tools/list, all pages."""
    async with Client(url) as client:
        found, cursor = [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return found
