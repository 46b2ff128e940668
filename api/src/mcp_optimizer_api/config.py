"""What the operator renders for the data plane: one document per MCPOptimizer, in a ConfigMap."""

from typing import Literal

from pydantic import Field

from .base import Document


class BreakerConfig(Document):
    """When calls to a failing server are refused at once."""

    enabled: bool = True
    consecutive_failures: int = 5
    failure_percent: int = 50
    open_seconds: int = 10


class RetriesConfig(Document):
    """Which calls are sent a second time."""

    when: Literal["never", "connect-failure", "idempotent"] = "idempotent"
    budget_percent: int = 10


class UpstreamConfig(Document):
    """One federated MCPServer."""

    name: str
    url: str
    timeout_seconds: int = 30
    connect_seconds: int = 5
    max_concurrent: int = 256
    queue_seconds: int = 1
    breaker: BreakerConfig | None = None
    """None: the defaults, so that a thousand servers fit into one document."""
    retries: RetriesConfig | None = None


class LimitsConfig(Document):
    """What clients may ask of one process at once."""

    max_request_bytes: int = 4 * 1024 * 1024
    max_reply_bytes: int = 16 * 1024 * 1024
    max_in_flight: int = 2048
    max_in_flight_per_client: int | None = None
    max_streams: int = 1024
    queue_max: int = 2048
    queue_seconds: int = 5
    slow_client_seconds: int = 30
    message_memory_bytes: int = 40 * 1024 * 1024


class FastLaneConfig(Document):
    """Bounds of one job without a Pod."""

    memory_bytes: int = 16 * 1024 * 1024
    timeout_seconds: float = 30.0
    max_calls: int = 1000


class SessionsConfig(Document):
    """Sandboxes that are kept between calls, per server replica."""

    max_sessions: int = 4
    max_sessions_per_client: int | None = None
    idle_seconds: int = 300
    max_seconds: int = 1800


class SandboxConfig(Document):
    """Where and how jobs run. `pod_selector` is a label selector in the API server's string form: sandboxes, and the replicas that share them."""

    enabled: bool
    disabled_reason: str | None = None
    """Why jobs are refused, for the error that execute_code returns."""
    pod_selector: str = ""
    timeout_seconds: int = 30
    max_concurrent: int = 50
    max_concurrent_per_client: int | None = None
    max_processes: int = 50
    memory_bytes: int = 512 * 1024 * 1024
    queue_seconds: int = 10
    """How long a job may wait for a warm Pod before it is refused with 503."""
    max_calls: int = 1000
    max_output_bytes: int = 64 * 1024
    max_result_bytes: int = 256 * 1024
    max_artifacts: int = 20
    max_artifact_bytes: int = 4 * 1024 * 1024
    """Of all artifacts of one job."""
    same_python: bool = True
    """Whether the sandboxes have the Python of the server, so that what is no syntax here is none there."""
    fast_lane: FastLaneConfig | None = None
    """None: every job gets a Pod."""
    sessions: SessionsConfig = SessionsConfig()


class ToolsConfig(Document):
    """Which tools are shown how, and how much of a result is shown at once."""

    pinned: list[str] = Field(default=[])
    """Identifiers of tools that are listed beside the meta-tools."""
    exclude: list[str] = Field(default=[])
    """Globs over identifiers (`*` stands for anything): these tools do not exist for anybody."""
    max_result_bytes: int = 24 * 1024
    """Of text in one answer of a meta-tool; the rest is fetched with a cursor."""


class BatchConfig(Document):
    """Bounds of one execute_batch."""

    max_items: int = 20


class EmbeddingConfig(Document):
    """Whom to ask for vectors. The key, if one is needed, is a file that the process knows from its environment."""

    url: str
    model: str = ""
    api: Literal["openai", "tei"] = "openai"
    timeout_milliseconds: int = 150


class TracingConfig(Document):
    """Where spans go and how many requests are traced."""

    endpoint: str
    """Base URL of an OTLP/HTTP receiver."""
    sampling_percent: float = 10.0


class RecordingConfig(Document):
    """Which jobs are recorded for a replay, and for how long."""

    enabled: bool = False
    retention_seconds: int = 3600
    max_bytes: int = 16 * 1024 * 1024
    """Of all recordings of one replica."""


class OAuthConfig(Document):
    """What OAuth clients are told about the endpoint."""

    resource: str
    authorization_servers: list[str]
    scopes: list[str] = Field(default=[])


class ServerConfig(Document):
    """The whole configuration of one MCPOptimizer's server Pods. Schema version 1."""

    version: Literal[1] = 1
    namespace: str
    name: str
    uid: str
    mode: Literal["hybrid", "code_execution", "mcp_only"] = "hybrid"
    search_limit: int = 8
    search_synonyms: list[list[str]] = Field(default=[])
    allowed_origins: list[str] = Field(default=[])
    """Of web pages that may speak to the endpoint, besides its own."""
    tools: ToolsConfig = ToolsConfig()
    batch: BatchConfig = BatchConfig()
    search_embedding: EmbeddingConfig | None = None
    upstreams: list[UpstreamConfig] = Field(default=[])
    sandbox: SandboxConfig
    limits: LimitsConfig = LimitsConfig()
    recording: RecordingConfig = RecordingConfig()
    tracing: TracingConfig | None = None
    oauth: OAuthConfig | None = None
