"""The MCP endpoint: stateless streamable HTTP, one request one answer, so that any replica can serve any call."""

import json
from typing import Any

from mcp import types
from mcp.server import Server, ServerRequestContext
from starlette.applications import Starlette

from acme.catalogue import Catalogue
from acme.records import Refused


def answer(value: dict[str, Any]) -> types.CallToolResult:
    """A result both for programs and for models that only read text."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=value)


def refusal(message: str) -> types.CallToolResult:
    """An error that the caller can act on."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)


def server(catalogue: Catalogue) -> Server[dict[str, Any]]:
    """The protocol side of a catalogue."""

    async def list_tools(
        context: ServerRequestContext[dict[str, Any]], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=catalogue.definitions)

    async def call_tool(context: ServerRequestContext[dict[str, Any]], params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            return answer(catalogue.call(params.name, params.arguments or {}))
        except Refused as error:
            return refusal(str(error))

    schemas = {tool.name: tool.input_schema for tool in catalogue.definitions}
    return Server(
        "acme-workplace",
        version="1.0.0",
        instructions="Tools of the made-up company Acme. All data is invented and kept in memory; today is 2026-06-15.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=schemas.get,
    )


def application(catalogue: Catalogue) -> Starlette:
    """The ASGI application with /mcp."""
    # Host 0.0.0.0: in a cluster the server is reached by Service names that it cannot know.
    return server(catalogue).streamable_http_app(json_response=True, stateless_http=True, host="0.0.0.0")
