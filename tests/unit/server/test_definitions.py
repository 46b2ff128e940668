"""What every conversation pays for, counted with a real tokenizer."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types.methods import serialize_server_result

from mcp_optimizer.tools.definitions import DISCOVER, EXECUTE, EXECUTE_CODE, definitions
from mcp_optimizer_api.config import SandboxConfig, ServerConfig


def config(mode: str, *, enabled: bool = True, reason: str | None = None) -> ServerConfig:
    sandbox = SandboxConfig(enabled=enabled, disabled_reason=reason)
    return ServerConfig.model_validate({"namespace": "n", "name": "x", "uid": "u", "mode": mode, "sandbox": sandbox})


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Counts cl100k tokens with the vocabulary that litellm's wheel brings, so that nothing is downloaded."""
    spec = importlib.util.find_spec("litellm")
    assert spec is not None and spec.origin is not None
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"))
    import tiktoken

    encoding = tiktoken.get_encoding("cl100k_base")
    yield lambda text: len(encoding.encode(text))


def test_all_meta_tools_together_cost_at_most_400_tokens(tokens: Any) -> None:
    listed = json.dumps(definitions(config("hybrid")), separators=(",", ":"))
    assert tokens(listed) <= 400


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (config("hybrid"), ["discover", "execute", "execute_code"]),
        (config("code_execution"), ["discover", "execute_code"]),
        (config("hybrid", enabled=False), ["discover", "execute"]),
        (config("hybrid", enabled=False, reason="RuntimeClass gvisor is missing"), ["discover", "execute", "execute_code"]),
    ],
)
def test_each_mode_lists_its_own_meta_tools(wanted: ServerConfig, names: list[str]) -> None:
    assert [tool["name"] for tool in definitions(wanted)] == names


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", "2026-07-28"])
def test_the_definitions_are_valid_in_every_protocol_version(version: str) -> None:
    result = {"tools": [DISCOVER, EXECUTE, EXECUTE_CODE], "resultType": "complete", "ttlMs": 1, "cacheScope": "public"}
    assert serialize_server_result("tools/list", version, result)["tools"][0]["description"] == DISCOVER["description"]


def test_the_model_is_told_to_search_per_step_and_how_to_call_tools_from_code() -> None:
    assert "once per step" in DISCOVER["description"]
    assert 'call("server.tool", arg=value)' in EXECUTE_CODE["description"]
