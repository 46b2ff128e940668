"""Whatever a server answers, the worst that comes of it is a failure with a sentence."""

import json
from functools import partial
from random import Random
from typing import Any

import pytest

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.upstream.upstream import Upstream
from mcp_optimizer.upstream.wire import Bounds, Reply
from mcp_optimizer_api.config import UpstreamConfig

TREES: dict[str, Any] = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "prompts": {}, "completions": {}},
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "n", "title": "t", "description": "d"}},
        "instructions": "text",
    },
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}},
        "serverInfo": {"name": "n", "title": "t"},
    },
    "tools/list": {
        "tools": [
            {
                "name": "a",
                "title": "T",
                "description": "d",
                "inputSchema": {"type": "object", "properties": {"x": {"type": "string", "x-mcp-header": "X"}}, "required": ["x"]},
                "outputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": True},
            }
        ],
        "nextCursor": "next",
    },
    "tools/call": {
        "content": [{"type": "text", "text": "hello"}],
        "isError": False,
        "structuredContent": {"a": 1},
        "resultType": "complete",
    },
    "resources/list": {"resources": [{"uri": "a://b", "name": "n", "description": "d", "mimeType": "text/plain", "size": 3}]},
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "a://{b}", "name": "n"}]},
    "prompts/list": {"prompts": [{"name": "p", "arguments": [{"name": "a", "required": True}]}]},
}
NASTY: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 2**70, 10**400, "", "x" * 5000, "\ud800", "\u202e", "2026-07-28", "complete"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": None},
        {"type": None},
        [{"type": []}],
        ["2026-07-28"],
        {"$ref": "#"},
        {"$ref": "http://x/y"},
        {"type": "object"},
    ),
    *(
        "input_required",
        "task",
        {"name": 5},
        [{"name": "a"}, {"name": "a"}],
        {"properties": {"x": {"x-mcp-header": 5}}},
        {"properties": []},
    ),
)


def mutated(random: Random, value: Any) -> Any:
    """A copy with one thing in it replaced, now and then everything."""
    if random.random() < 0.12 or not isinstance(value, dict | list) or not value:
        return random.choice(NASTY)
    copy = value.copy()
    key = random.choice(list(copy)) if isinstance(copy, dict) else random.randrange(len(copy))
    if isinstance(copy, dict) and random.random() < 0.15:
        del copy[key]
    else:
        copy[key] = mutated(random, copy[key])
    return copy


class Hostile:
    """A wire to a server that answers in the right form with wrong things in it."""

    bounds = Bounds()

    def __init__(self, random: Random, modern: bool) -> None:
        self.random = random
        self.modern = modern

    async def post(self, url: str, body: dict[str, Any], headers: Any, timeout: float, on_message: Any = None) -> Reply:
        method = body["method"]
        if method == "server/discover" and not self.modern:
            return Reply(400, {"id": None, "error": {"code": -32000, "message": "no"}}, {})
        if on_message is not None and self.random.random() < 0.3:
            await on_message(self.notification())
        tree = TREES.get(method, {})
        result = mutated(self.random, tree) if self.random.random() < 0.6 else tree
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": body.get("id"), "result": result}
        if self.random.random() < 0.15:
            message = mutated(self.random, {"id": body.get("id"), "error": {"code": -32602, "message": "no", "data": {"supported": ["x"]}}})
            message = message if isinstance(message, dict) else {"error": message}
        return Reply(self.random.choice((200, 200, 200, 400, 404, 500)), message, {"Mcp-Session-Id": "s"})

    def notification(self) -> Any:
        message = {
            "method": self.random.choice(
                ("notifications/progress", "notifications/message", "sampling/createMessage", "notifications/cancelled")
            ),
            "params": {"progressToken": "mcpo-1", "progress": 1, "total": 2, "message": "m", "level": "info", "data": {}, "logger": "l"},
            "id": 5,
        }
        found = mutated(self.random, message)
        # The wire hands nothing on that is no object with a method.
        return found if isinstance(found, dict) and isinstance(found.get("method"), str) else message

    async def delete(self, url: str, headers: Any) -> None:
        """Whatever it answers is fine."""


async def call(server: Upstream, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
    return await server.ask("tools/call", {"name": "a", "arguments": arguments}, "a", context=context)


async def ignore(method: str, params: dict[str, Any]) -> None:
    json.dumps(params)


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("seed", range(4))
async def test_nothing_but_a_failure_with_a_sentence_comes_of_a_hostile_reply(modern: bool, seed: int) -> None:
    random = Random(seed)
    listening = CallContext(on_notification=ignore, progress=True, log_level="debug", client_capabilities={"elicitation": {}})
    for _ in range(60):
        server = Upstream(UpstreamConfig(name="s", url="http://s/mcp"), Hostile(random, modern), lambda: None)  # type: ignore[arg-type]
        for work in (partial(server.refresh), partial(call, server, {"x": "y"}, PLAIN), partial(call, server, {}, listening)):
            try:
                await work()
            except CallFailure as failure:
                assert failure.message
        await server.stop()
