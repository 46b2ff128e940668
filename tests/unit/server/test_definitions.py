"""What every conversation pays for, counted with a real tokenizer."""

import json

import pytest
from mcp_types.methods import serialize_server_result
from scripts.stack.tokens import count_tokens

from mcp_optimizer.tools.definitions import DISCOVER, EXECUTE, EXECUTE_BATCH, EXECUTE_CODE, META_TOOLS, definitions, offers
from mcp_optimizer_api.config import SandboxConfig, ServerConfig

ONE_MORE = 80
"""Tokens kept free for the tool of context. Sessions are an argument of execute_code."""
DIRECT_200, ENVELOPE = 142_555, 196
"""Bytes of the list of 200 tools in docs/tokens.md, and of what surrounds the tools in our own."""


def config(mode: str, *, enabled: bool = True, reason: str | None = None) -> ServerConfig:
    sandbox = SandboxConfig(enabled=enabled, disabled_reason=reason)
    return ServerConfig.model_validate({"namespace": "n", "name": "x", "uid": "u", "mode": mode, "sandbox": sandbox})


def test_all_meta_tools_together_leave_room_for_one_more_in_400_tokens() -> None:
    tokens, method = count_tokens(json.dumps(definitions(config("hybrid")), separators=(",", ":")))
    assert method == "cl100k_base" and tokens <= 400 - ONE_MORE


def test_all_meta_tools_together_cost_a_hundredth_of_200_tools() -> None:
    assert len(json.dumps(definitions(config("hybrid")), separators=(",", ":"))) + ENVELOPE <= DIRECT_200 / 100


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (config("hybrid"), ["discover", "execute", "execute_batch", "execute_code"]),
        (config("code_execution"), ["discover", "execute_code"]),
        (config("hybrid", enabled=False), ["discover", "execute", "execute_batch"]),
        (
            config("hybrid", enabled=False, reason="RuntimeClass gvisor is missing"),
            ["discover", "execute", "execute_batch", "execute_code"],
        ),
    ],
)
def test_each_mode_lists_its_own_meta_tools(wanted: ServerConfig, names: list[str]) -> None:
    assert [tool["name"] for tool in definitions(wanted)] == names == [name for name in META_TOOLS if offers(wanted, name)]


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", "2026-07-28"])
def test_the_definitions_are_valid_in_every_protocol_version(version: str) -> None:
    result = {"tools": [DISCOVER, EXECUTE, EXECUTE_BATCH, EXECUTE_CODE], "resultType": "complete", "ttlMs": 1, "cacheScope": "public"}
    assert serialize_server_result("tools/list", version, result)["tools"][0]["description"] == DISCOVER["description"]


def test_the_model_is_told_to_search_per_step_and_how_to_call_tools_from_code() -> None:
    assert "once per step" in DISCOVER["description"]
    assert 'call("server.tool", arg=value)' in EXECUTE_CODE["description"]
    assert "tools.server.tool(arg=value)" in EXECUTE_CODE["description"]
