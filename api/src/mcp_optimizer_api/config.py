"""What the operator renders for the data plane: one document per MCPOptimizer, in a ConfigMap."""

from typing import Literal

from pydantic import Field

from .base import Document


class UpstreamConfig(Document):
    """One federated MCPServer."""

    name: str
    url: str
    timeout_seconds: int = 30


class SandboxConfig(Document):
    """Where and how jobs run. `pod_selector` is a label selector in the API server's string form."""

    enabled: bool
    disabled_reason: str | None = None
    """Why jobs are refused, for the error that execute_code returns."""
    pod_selector: str = ""
    timeout_seconds: int = 30
    max_concurrent: int = 50
    max_processes: int = 50
    memory_bytes: int = 512 * 1024 * 1024
    queue_seconds: int = 10
    """How long a job may wait for a warm Pod before it is refused with 503."""
    max_calls: int = 1000
    max_output_bytes: int = 64 * 1024
    max_result_bytes: int = 256 * 1024


class ServerConfig(Document):
    """The whole configuration of one MCPOptimizer's server Pods. Schema version 1."""

    version: Literal[1] = 1
    namespace: str
    name: str
    uid: str
    mode: Literal["hybrid", "code_execution", "mcp_only"] = "hybrid"
    search_limit: int = 8
    search_synonyms: list[list[str]] = Field(default=[])
    upstreams: list[UpstreamConfig] = Field(default=[])
    sandbox: SandboxConfig
