"""MCPOptimizer: the one endpoint that a team's agents connect to."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .auth import Auth
from .base import Resource
from .cel import PATTERN_MESSAGE, rule, rules
from .limits import Limits
from .observability import NetworkPolicySettings, Observability
from .pods import AUTOSCALING_NEEDS_CPU, Autoscaling, LabelSelector, LocalReference, Resources
from .recording import Recording
from .sandbox import Sandbox
from .search import Search
from .status import Condition


class Servers(Resource):
    """Which MCPServers are federated."""

    selector: LabelSelector = Field(default=LabelSelector(), description="Labels of the MCPServers; empty selects all of the namespace.")


ToolName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?\.[^ *]+$",
        max_length=256,
        json_schema_extra={PATTERN_MESSAGE: "must name one tool as server.tool: write for example github.create_issue"},
    ),
]
ToolPattern = Annotated[
    str,
    Field(
        pattern=r"^[-a-z0-9*]{1,63}\.[^ ]+$",
        max_length=256,
        json_schema_extra={
            PATTERN_MESSAGE: "must name tools as server.tool, where * stands for anything: write for example github.delete_*"
        },
    ),
]


class Tools(Resource):
    """Which tools clients see, and how much of a result at once."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.pinned) || !has(self.exclude) || !self.pinned.exists(name, name in self.exclude)",
                "a tool cannot be pinned and excluded: remove it from pinned or from exclude",
                field="pinned",
            )
        )
    )

    pinned: list[ToolName] = Field(
        default=[],
        max_length=50,
        description="Tools listed under their own definition beside the meta-tools, as server.tool. Each costs its tokens in every conversation.",
    )
    exclude: list[ToolPattern] = Field(
        default=[],
        max_length=200,
        description="Tools nobody can find or call, in no mode and from no code: server.tool, where * stands for anything.",
    )
    max_result_bytes: int = Field(
        default=24 * 1024,
        ge=1024,
        le=1024 * 1024,
        description="Bytes of text that one answer of a meta-tool shows; the rest is fetched with a cursor. Not in mcp_only.",
    )


class Batch(Resource):
    """Bounds of execute_batch."""

    max_items: int = Field(default=20, ge=1, le=100, description="Calls of one execute_batch.")


WebOrigin = Annotated[
    str,
    Field(
        pattern=r"^https?://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?$",
        max_length=256,
        json_schema_extra={
            PATTERN_MESSAGE: "must be the origin of a web page, in small letters and without a path: write for example https://app.example.com"
        },
    ),
]


class MCPOptimizerSpec(Resource):
    """What is wanted."""

    model_config = ConfigDict(json_schema_extra=rules(AUTOSCALING_NEEDS_CPU))

    replicas: int = Field(default=1, ge=0, le=1000, description="Server Pods. With autoscaling: the initial number only.")
    autoscaling: Autoscaling = Field(default=Autoscaling(), description="Horizontal autoscaling of the server Pods.")
    servers: Servers = Field(default=Servers(), description="Which MCPServers are federated.")
    mode: Literal["hybrid", "code_execution", "mcp_only"] = Field(
        default="hybrid",
        description="hybrid: discover, execute, execute_batch and execute_code. code_execution: discover and execute_code. mcp_only: every tool, unchanged.",
    )
    search: Search = Field(default=Search(), description="How tools are found.")
    tools: Tools = Field(default=Tools(), description="Which tools clients see, and how much of a result at once.")
    batch: Batch = Field(default=Batch(), description="Bounds of execute_batch.")
    sandbox: Sandbox = Field(default=Sandbox(), description="Where execute_code runs.")
    recording: Recording = Field(default=Recording(), description="Jobs that can be run again without their servers.")
    limits: Limits = Field(default=Limits(), description="What clients may ask of one server replica at once.")
    allowed_origins: list[WebOrigin] = Field(
        default=[],
        max_length=50,
        description="Origins of web pages whose scripts may speak to the endpoint, such as https://app.example.com. Programs that are no browsers need none.",
    )
    auth: Auth = Field(default=Auth(), description="Who vouches for clients.")
    resources: Resources | None = Field(
        default=None, description="Of the server container. Default: 100m CPU and 128Mi requested, 512Mi limit."
    )
    image_pull_secrets: list[LocalReference] = Field(default=[], max_length=10, description="Secrets to pull the images with.")
    network_policy: NetworkPolicySettings = Field(default=NetworkPolicySettings(), description="NetworkPolicies around the server.")
    observability: Observability = Field(default=Observability(), description="What the server tells about its work besides metrics.")
    paused: bool = Field(default=False, description="Leave the children as they are until false again.")


class FederatedServer(Resource):
    """One MCPServer as the data plane sees it."""

    name: str = Field(max_length=253, description="Name of the MCPServer.")
    ready: bool = Field(description="Its tools can be called.")
    tools: int = Field(ge=0, description="Number of its tools.")
    message: str | None = Field(default=None, max_length=256, description="Why it is not ready.")


class ServerTotals(Resource):
    """The federation in numbers."""

    total: int = Field(default=0, description="MCPServers selected.")
    ready: int = Field(default=0, description="MCPServers whose tools can be called.")
    tools: int = Field(default=0, description="Tools behind the endpoint.")


class SandboxCounts(Resource):
    """Sandbox Pods by state."""

    target: int = Field(
        default=0,
        description="Warm Pods wanted: peakClaimsPerSecond times refillSeconds, plus burst, within pool.min and pool.max. A surplus is not deleted, it ends by age.",
    )
    warm: int = Field(default=0, description="Ready for a job.")
    starting: int = Field(default=0, description="Not ready yet.")
    busy: int = Field(default=0, description="Running a job.")
    peak_claims_per_second: float = Field(default=0, description="Highest mean over ten seconds, of the last ten minutes.")
    burst: int = Field(default=0, description="The most claims within one refill time, of the last ten minutes.")
    refill_seconds: float | None = Field(
        default=None,
        description="From a claim until its replacement was ready, 99th percentile of the last ten minutes; unset: none was timed.",
    )


class Metrics(Resource):
    """Aggregates over all server Pods, rounded; the exact series are in Prometheus."""

    window_seconds: int = Field(description="Time span that rates and percentiles cover.")
    calls_per_second: float = Field(description="Tool calls and meta-tool calls.")
    error_percent: float = Field(description="Share of calls that failed.")
    p50_ms: float | None = Field(default=None, description="Median latency at the server, bucket-interpolated.")
    p95_ms: float | None = Field(default=None, description="95th percentile of latency, bucket-interpolated.")
    tokens_baseline: int = Field(description="Tokens that listing every tool directly would have cost clients so far.")
    tokens_served: int = Field(description="Tokens of the definitions and discovery results that were served so far.")
    tokens_saved_percent: float | None = Field(default=None, description="1 - served / baseline.")
    token_method: str = Field(max_length=64, description="How tokens were counted.")


class MCPOptimizerStatus(Resource):
    """What is there."""

    observed_generation: int | None = Field(default=None, ge=0, description="metadata.generation this status speaks of.")
    conditions: Annotated[
        list[Condition], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
    ] = Field(default=[], description="What holds and what does not, with reasons.")
    replicas: int = Field(default=0, description="Server Pods that exist.")
    ready_replicas: int = Field(default=0, description="Server Pods that are ready.")
    selector: str | None = Field(default=None, max_length=1024, description="Label selector of the server Pods, for the scale subresource.")
    endpoint: str | None = Field(default=None, max_length=1024, description="URL that MCP clients of the cluster use.")
    totals: ServerTotals = Field(default=ServerTotals(), description="The federation in numbers.")
    servers: list[FederatedServer] = Field(
        default=[],
        max_length=100,
        description="The first 100 federated servers, those in trouble first.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    sandboxes: SandboxCounts = Field(default=SandboxCounts(), description="Sandbox Pods by state.")
    metrics: Metrics | None = Field(default=None, description="Aggregates over all server Pods.")
