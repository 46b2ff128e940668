"""The config of the server Pods, rendered from the MCPOptimizer and the MCPServers it federates."""

from collections.abc import Iterable
from decimal import ROUND_FLOOR
from typing import Final

from mcp_operator.kinds import CONFIG_MAP, Manifest
from mcp_optimizer_api.config import (
    BatchConfig,
    BreakerConfig,
    EmbeddingConfig,
    FastLaneConfig,
    LimitsConfig,
    OAuthConfig,
    RecordingConfig,
    RetriesConfig,
    SandboxConfig,
    ServerConfig,
    SessionsConfig,
    ToolsConfig,
    TracingConfig,
    UpstreamConfig,
)
from mcp_optimizer_api.names import (
    COMPONENT_LABEL,
    COMPONENT_SANDBOX,
    COMPONENT_SERVER,
    CONFIG_KEY,
    OPTIMIZER_LABEL,
    optimizer_config_map,
)
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.sandbox import FastLane
from mcp_optimizer_api.search import Embedding
from mcp_optimizer_api.server import MCPServerSpec

from .child import Owner, child
from .code_switch import why_code_is_off
from .pod import DEFAULT_RESOURCES
from .quantity import number
from .service import service_url

PROGRAM_BYTES: Final = 192 * 1024 * 1024
"""What the server itself takes, its small requests, and the results it keeps for later."""
MEMORY_PER_MESSAGE_BYTE: Final = 8
LEAST_MESSAGE_MEMORY: Final = 4 * 1024 * 1024
FAST_LANE_BYTES: Final = 64 * 1024 * 1024
"""Of the fast lane's child process and its spare workers: measured with bench/fastlane.py."""
FAST_LANE_JOBS, FAST_LANE_WORKER_BYTES = 4, 16 * 1024 * 1024


def upstream(owner: Owner, spec: MCPServerSpec) -> UpstreamConfig:
    """How server Pods reach one MCPServer."""
    url = spec.remote.url if spec.remote is not None else service_url(owner, spec.path)
    own = spec.resilience
    breaker, retries = BreakerConfig(**own.breaker.model_dump()), RetriesConfig(**own.retries.model_dump())
    return UpstreamConfig(
        name=owner.name,
        url=url,
        timeout_seconds=spec.timeout_seconds,
        connect_seconds=own.connect_seconds,
        max_concurrent=own.max_concurrent,
        queue_seconds=own.queue_seconds,
        breaker=None if breaker == BreakerConfig() else breaker,
        retries=None if retries == RetriesConfig() else retries,
    )


def render_config(owner: Owner, spec: MCPOptimizerSpec, upstreams: Iterable[UpstreamConfig]) -> ServerConfig:
    """Deterministic: the same federation always renders to the same bytes, whatever order it is discovered in."""
    return ServerConfig(
        namespace=owner.namespace,
        name=owner.name,
        uid=owner.uid,
        mode=spec.mode,
        allowed_origins=spec.allowed_origins,
        search_limit=spec.search.limit,
        search_synonyms=spec.search.synonyms,
        tools=ToolsConfig(pinned=spec.tools.pinned, exclude=spec.tools.exclude, max_result_bytes=spec.tools.max_result_bytes),
        batch=BatchConfig(max_items=spec.batch.max_items),
        search_embedding=_embedding(spec.search.embedding),
        upstreams=sorted(upstreams, key=lambda upstream: upstream.name),
        sandbox=_sandbox(owner, spec),
        limits=_limits(spec),
        recording=RecordingConfig(**spec.recording.model_dump()),
        tracing=_tracing(spec),
        oauth=OAuthConfig(**spec.auth.oauth.model_dump()) if spec.auth.oauth is not None else None,
    )


def _tracing(spec: MCPOptimizerSpec) -> TracingConfig | None:
    wanted = spec.observability.tracing
    return TracingConfig(endpoint=wanted.endpoint, sampling_percent=wanted.sampling_percent) if wanted is not None else None


def config_map(owner: Owner, config: ServerConfig) -> Manifest:
    """The document where the server Pods watch it."""
    return child(CONFIG_MAP, owner, name=optimizer_config_map(owner.name), data={CONFIG_KEY: config.to_json()})


def _limits(spec: MCPOptimizerSpec) -> LimitsConfig:
    limits = spec.limits
    return LimitsConfig(
        **limits.model_dump(exclude={"queue", "message_memory"}),
        queue_max=limits.queue.max,
        queue_seconds=limits.queue.seconds,
        message_memory_bytes=_message_memory(spec),
    )


def _message_memory(spec: MCPOptimizerSpec) -> int:
    """Of the bytes on the wire: a large message takes up to eight times as much while it is parsed, checked and written."""
    if spec.limits.message_memory is not None:
        return _bytes(spec.limits.message_memory)
    limits = spec.resources.limits if spec.resources is not None else None
    container = limits.memory if limits is not None and limits.memory is not None else DEFAULT_RESOURCES["limits"]["memory"]
    recordings = spec.recording.max_bytes if spec.recording.enabled else 0
    return max(LEAST_MESSAGE_MEMORY, (_bytes(container) - PROGRAM_BYTES - recordings - _fast_lane_bytes(spec)) // MEMORY_PER_MESSAGE_BYTE)


def _fast_lane_bytes(spec: MCPOptimizerSpec) -> int:
    """What its child process and four jobs take of the server's container."""
    fast = spec.sandbox.fast_lane
    if not fast.enabled:
        return 0
    return FAST_LANE_BYTES + FAST_LANE_JOBS * (FAST_LANE_WORKER_BYTES + _bytes(fast.max_memory))


def _bytes(quantity: str) -> int:
    return int(number(quantity).to_integral_value(ROUND_FLOOR))


def _embedding(wanted: Embedding | None) -> EmbeddingConfig | None:
    """Without the key: that is a file in the Pod, never part of a document that people can read."""
    if wanted is None:
        return None
    return EmbeddingConfig(url=wanted.url, model=wanted.model or "", api=wanted.api, timeout_milliseconds=wanted.timeout_milliseconds)


def _sandbox(owner: Owner, spec: MCPOptimizerSpec) -> SandboxConfig:
    sandbox = spec.sandbox
    off = why_code_is_off(spec)
    return SandboxConfig(
        enabled=off is None,
        disabled_reason=off,
        pod_selector=f"{COMPONENT_LABEL} in ({COMPONENT_SANDBOX},{COMPONENT_SERVER}),{OPTIMIZER_LABEL}={owner.name}",
        timeout_seconds=sandbox.timeout_seconds,
        max_concurrent=sandbox.max_concurrent,
        max_concurrent_per_client=sandbox.max_concurrent_per_client,
        max_processes=sandbox.max_processes,
        memory_bytes=_bytes(sandbox.resources.memory),
        max_artifacts=sandbox.artifacts.max_count,
        max_artifact_bytes=sandbox.artifacts.max_bytes,
        same_python=sandbox.image is None,
        fast_lane=_fast_lane(sandbox.fast_lane),
        sessions=SessionsConfig(**sandbox.sessions.model_dump()),
    )


def _fast_lane(wanted: FastLane) -> FastLaneConfig | None:
    if not wanted.enabled:
        return None
    return FastLaneConfig(memory_bytes=_bytes(wanted.max_memory), timeout_seconds=wanted.timeout_seconds, max_calls=wanted.max_calls)
