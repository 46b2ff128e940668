"""What limits and resilience become in the config of the server Pods, and in the Pods themselves."""

from typing import Any

import pytest
from tests.unit.operator.test_desired import of_optimizer, one, owner

from mcp_operator.desired.configmap import render_config, upstream
from mcp_optimizer_api.config import (
    BreakerConfig,
    FastLaneConfig,
    LimitsConfig,
    RecordingConfig,
    RetriesConfig,
    SandboxConfig,
    ServerConfig,
    SessionsConfig,
    UpstreamConfig,
)
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec


def test_the_config_carries_what_each_server_may_cost_and_leaves_out_defaults() -> None:
    spec = MCPServerSpec.model_validate(
        {
            "image": "i:1",
            "resilience": {
                "connectSeconds": 2,
                "maxConcurrent": 3,
                "queueSeconds": 4,
                "breaker": {"openSeconds": 5},
                "retries": {"when": "never"},
            },
        }
    )
    found = upstream(owner("MCPServer", "a"), spec)
    assert (found.connect_seconds, found.max_concurrent, found.queue_seconds) == (2, 3, 4)
    assert found.breaker == BreakerConfig(open_seconds=5) and found.retries == RetriesConfig(when="never")
    plain = upstream(owner("MCPServer", "a"), MCPServerSpec.model_validate({"image": "i:1"}))
    assert (plain.breaker, plain.retries) == (None, None)
    assert plain == UpstreamConfig(name="a", url=plain.url), "defaults of the resource and of the rendered config differ"


def test_the_config_carries_the_limits_of_clients() -> None:
    spec = MCPOptimizerSpec.model_validate(
        {
            "limits": {
                "maxInFlight": 7,
                "maxInFlightPerClient": 2,
                "queue": {"max": 3, "seconds": 4},
                "maxStreams": 5,
                "slowClientSeconds": 6,
            }
        }
    )
    found = render_config(owner("MCPOptimizer"), spec, []).limits
    assert (found.max_in_flight, found.max_in_flight_per_client, found.queue_max, found.queue_seconds) == (7, 2, 3, 4)
    assert (found.max_streams, found.slow_client_seconds) == (5, 6)
    assert render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), []).limits == LimitsConfig()


def test_the_config_carries_what_is_kept_of_jobs() -> None:
    spec = MCPOptimizerSpec.model_validate(
        {
            "recording": {"enabled": True, "retentionSeconds": 61, "maxBytes": 65536},
            "sandbox": {"artifacts": {"maxCount": 3, "maxBytes": 4096}},
        }
    )
    found = render_config(owner("MCPOptimizer"), spec, [])
    assert (found.recording.enabled, found.recording.retention_seconds, found.recording.max_bytes) == (True, 61, 65536)
    assert (found.sandbox.max_artifacts, found.sandbox.max_artifact_bytes) == (3, 4096)
    plain = render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), [])
    assert (plain.recording, plain.sandbox.max_artifacts) == (RecordingConfig(), SandboxConfig(enabled=True).max_artifacts)


def test_the_config_carries_how_many_sessions_there_may_be_and_for_how_long() -> None:
    bounds = {"maxSessions": 9, "maxSessionsPerClient": 2, "idleSeconds": 61, "maxSeconds": 71}
    spec = MCPOptimizerSpec.model_validate({"sandbox": {"sessions": bounds}})
    found = render_config(owner("MCPOptimizer"), spec, []).sandbox.sessions
    assert found == SessionsConfig(max_sessions=9, max_sessions_per_client=2, idle_seconds=61, max_seconds=71)
    plain = render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), []).sandbox.sessions
    assert plain == SessionsConfig(), "defaults of the resource and of the rendered config differ"


@pytest.mark.parametrize(
    ("spec", "mebibytes"),
    [
        ({}, 40),
        ({"resources": {"limits": {"memory": "2Gi"}}}, 232),
        ({"resources": {"limits": {"memory": "200Mi"}}}, 4),
        ({"resources": {"requests": {"cpu": 1}}}, 40),
        ({"limits": {"messageMemory": "64Mi"}}, 64),
        ({"recording": {"enabled": True}}, 38),
        ({"recording": {"maxBytes": 64 * 2**20}}, 40),
    ],
)
def test_the_memory_for_messages_follows_from_the_containers_limit(spec: dict[str, Any], mebibytes: int) -> None:
    found = render_config(owner("MCPOptimizer"), MCPOptimizerSpec.model_validate(spec), [])
    assert found.limits.message_memory_bytes == mebibytes * 2**20


def test_the_longest_call_decides_how_long_a_server_pod_may_take_to_end() -> None:
    def grace(*seconds: int) -> tuple[int, str]:
        upstreams = [UpstreamConfig(name=f"a{number}", url="http://a/mcp", timeout_seconds=value) for number, value in enumerate(seconds)]
        pod = one(of_optimizer(upstreams=upstreams), "Deployment")["spec"]["template"]["spec"]
        (told,) = (variable["value"] for variable in pod["containers"][0]["env"] if variable["name"] == "MCP_GRACE_SECONDS")
        return pod["terminationGracePeriodSeconds"], told

    assert grace() == grace(30) == (60, "55")
    assert grace(30, 250) == (300, "295")
    assert grace(3600) == (3720, "3715")


def test_the_config_has_a_fast_lane_when_asked_and_its_memory_is_taken_from_that_of_messages() -> None:
    def rendered(**fast: Any) -> ServerConfig:
        return render_config(owner("MCPOptimizer"), MCPOptimizerSpec.model_validate({"sandbox": {"fastLane": fast}}), [])

    assert rendered().sandbox.fast_lane is None
    assert rendered(maxMemory="8Mi").sandbox.fast_lane is None
    assert rendered(enabled=True).sandbox.fast_lane == FastLaneConfig(), "defaults of the resource and of the rendered config differ"
    found = rendered(enabled=True, maxMemory="8Mi", timeoutSeconds=3, maxCalls=7)
    assert found.sandbox.fast_lane == FastLaneConfig(memory_bytes=8 * 1024 * 1024, timeout_seconds=3, max_calls=7)
    taken = (64 + 4 * (16 + 8)) * 1024 * 1024
    assert rendered().limits.message_memory_bytes - found.limits.message_memory_bytes == taken // 8
