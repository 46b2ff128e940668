"""The config of the server Pods, rendered from the MCPOptimizer and the MCPServers it federates."""

from collections.abc import Iterable
from decimal import ROUND_FLOOR

from mcp_operator.kinds import CONFIG_MAP, Manifest
from mcp_optimizer_api.config import SandboxConfig, ServerConfig, UpstreamConfig
from mcp_optimizer_api.names import (
    COMPONENT_LABEL,
    COMPONENT_SANDBOX,
    CONFIG_KEY,
    OPTIMIZER_LABEL,
    optimizer_config_map,
)
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec

from .child import Owner, child
from .code_switch import why_code_is_off
from .quantity import number
from .service import service_url


def upstream(owner: Owner, spec: MCPServerSpec) -> UpstreamConfig:
    """How server Pods reach one MCPServer."""
    url = spec.remote.url if spec.remote is not None else service_url(owner, spec.path)
    return UpstreamConfig(name=owner.name, url=url, timeout_seconds=spec.timeout_seconds)


def render_config(owner: Owner, spec: MCPOptimizerSpec, upstreams: Iterable[UpstreamConfig]) -> ServerConfig:
    """Deterministic: the same federation always renders to the same bytes, whatever order it is discovered in."""
    return ServerConfig(
        namespace=owner.namespace,
        name=owner.name,
        uid=owner.uid,
        mode=spec.mode,
        search_limit=spec.search.limit,
        search_synonyms=spec.search.synonyms,
        upstreams=sorted(upstreams, key=lambda upstream: upstream.name),
        sandbox=_sandbox(owner, spec),
    )


def config_map(owner: Owner, config: ServerConfig) -> Manifest:
    """The document where the server Pods watch it."""
    return child(CONFIG_MAP, owner, name=optimizer_config_map(owner.name), data={CONFIG_KEY: config.to_json()})


def _sandbox(owner: Owner, spec: MCPOptimizerSpec) -> SandboxConfig:
    sandbox = spec.sandbox
    off = why_code_is_off(spec)
    return SandboxConfig(
        enabled=off is None,
        disabled_reason=off,
        pod_selector=f"{COMPONENT_LABEL}={COMPONENT_SANDBOX},{OPTIMIZER_LABEL}={owner.name}",
        timeout_seconds=sandbox.timeout_seconds,
        max_concurrent=sandbox.max_concurrent,
        max_processes=sandbox.max_processes,
        memory_bytes=int(number(sandbox.resources.memory).to_integral_value(ROUND_FLOOR)),
    )
