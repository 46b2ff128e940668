"""Documents between our programs: what one version writes, another reads; tokens and hashes never change their value."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.config import SandboxConfig, ServerConfig, UpstreamConfig
from mcp_optimizer_api.job import AgentFrame, Call, JobLimits, Result, ServerFrame, Start, pod_token, token_digest
from mcp_optimizer_api.stats import Histogram, ServerStats

LIMITS = JobLimits(timeout_seconds=30, max_processes=50, memory_bytes=1, max_calls=1, max_output_bytes=1, max_result_bytes=1)
TOOL: dict[str, Any] = {"name": "a", "description": "A.", "inputSchema": {"type": "object", "properties": {"x": {"type": "integer"}}}}


def config(**changes: Any) -> ServerConfig:
    return ServerConfig(namespace="n", name="x", uid="u", sandbox=SandboxConfig(enabled=True), **changes)


def test_a_config_is_read_as_it_was_written() -> None:
    written = config(upstreams=[UpstreamConfig(name="a", url="http://a/mcp", timeout_seconds=5)], mode="mcp_only")
    assert ServerConfig.model_validate_json(written.to_json()) == written


def test_a_config_of_a_newer_operator_is_read() -> None:
    document = {**json.loads(config().to_json()), "inventedLater": {"x": 1}}
    assert ServerConfig.model_validate(document) == config()


def test_a_config_of_another_schema_version_is_refused() -> None:
    with pytest.raises(ValidationError, match="version"):
        ServerConfig.model_validate({**json.loads(config().to_json()), "version": 2})


def test_a_config_with_a_thousand_servers_fits_a_config_map() -> None:
    upstreams = [
        UpstreamConfig(name=f"{'s' * 58}{n:05}", url=f"http://{'s' * 58}{n:05}-mcp.{'n' * 63}.svc/{'p' * 250}") for n in range(1000)
    ]
    assert len(config(upstreams=upstreams).to_json().encode()) < 1024 * 1024


def test_the_same_config_is_always_the_same_text() -> None:
    assert config().to_json() == config().to_json()
    assert "\n" not in config().to_json()


def test_a_token_is_bound_to_its_pod_and_its_key() -> None:
    token = pod_token(b"key", "pod-1")
    assert len({token, pod_token(b"key", "pod-2"), pod_token(b"other", "pod-1")}) == 3
    assert token_digest(token) != token


def test_a_token_can_be_checked_with_the_standard_library_alone() -> None:
    expected = hmac.new(b"key", b"pod-1", hashlib.sha256).hexdigest()
    assert pod_token(b"key", "pod-1") == expected
    assert token_digest(expected) == hashlib.sha256(expected.encode()).hexdigest()


@pytest.mark.parametrize(
    ("frame", "adapter"),
    [
        (Start(token="t", job="j", code="1", params={"a": [1]}, limits=LIMITS), TypeAdapter(ServerFrame)),
        (Call(seq=1, tool="a.b", arguments={"x": None}), TypeAdapter(AgentFrame)),
        (Result(ok=True, value={"a": 1}, duration_ms=1.5), TypeAdapter(AgentFrame)),
    ],
)
def test_a_frame_is_recognised_by_its_type(frame: Any, adapter: TypeAdapter[Any]) -> None:
    assert adapter.validate_json(frame.to_json()) == frame


@pytest.mark.parametrize(
    "text", ['{"type": "start"}', '{"type": "nonsense"}', "[]", "{}", '{"type": "callResult", "seq": "x", "ok": true}']
)
def test_a_malformed_frame_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ServerFrame).validate_json(text)


def test_the_catalogue_hash_depends_on_definitions_and_not_on_their_order() -> None:
    other = {**TOOL, "name": "b"}
    assert catalogue_hash([TOOL, other]) == catalogue_hash([other, TOOL])
    assert catalogue_hash([TOOL]) != catalogue_hash([{**TOOL, "description": "B."}])
    assert catalogue_hash([TOOL]) == catalogue_hash([{**TOOL, "_meta": {"x": 1}}])
    assert catalogue_hash([]) != catalogue_hash([TOOL])


def test_the_catalogue_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert catalogue_hash([TOOL]) == catalogue_hash([dict(reversed(TOOL.items()))])


def test_statistics_of_a_fresh_pod_are_complete() -> None:
    stats = ServerStats(pod="p", started_at=1.0, config_hash="")
    assert ServerStats.model_validate_json(stats.to_json()) == stats
    assert len(Histogram().counts) == len(Histogram().bounds_ms) + 1
