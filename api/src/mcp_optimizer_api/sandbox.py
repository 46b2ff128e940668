"""The part of an MCPOptimizer that says where `execute_code` runs, and how many places are kept for it."""

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import rule, rules
from .placement import MAX_NODE_LABELS, MAX_TOLERATIONS, Toleration
from .pods import LABEL_KEY, Image, LabelValue, ObjectName, Quantity


def _at_least(amount: str, least: str) -> dict[str, str]:
    """Below this the job agent itself cannot start, and every sandbox would fail in a loop."""
    value = f"string(self.{amount})"
    return rule(
        f"!isQuantity({value}) || quantity({value}).compareTo(quantity('{least}')) >= 0",
        f"{amount} is too little for the job agent to start: write {least} or more",
        field=amount,
    )


def _requested_within(amount: str) -> dict[str, str]:
    """A Pod that requests more than its limit is refused by the API server, one after the other."""
    request, limit = f"string(self.requests.{amount})", f"string(self.{amount})"
    return rule(
        f"!isQuantity({request}) || !isQuantity({limit}) || quantity({request}).compareTo(quantity({limit})) <= 0",
        f"requests.{amount} must not exceed {amount}: lower the request or raise {amount}",
        field=f"requests.{amount}",
    )


class SandboxRequests(Resource):
    """What each sandbox Pod sets aside on its node, warm or busy."""

    cpu: Quantity = Field(
        default="50m", description="CPU a warm Pod is sure of. Far less, and busy neighbours make the first milliseconds of a job slow."
    )
    memory: Quantity = Field(default="64Mi", description="Memory set aside for one Pod.")


class SandboxResources(Resource):
    """Upper bounds of one job; requests are smaller, so that warm Pods cost little."""

    model_config = ConfigDict(
        json_schema_extra=rules(_at_least("cpu", "50m"), _at_least("memory", "64Mi"), _requested_within("cpu"), _requested_within("memory"))
    )

    requests: SandboxRequests = Field(
        default=SandboxRequests(), description="What each Pod sets aside on its node: how many warm Pods fit depends on it."
    )
    cpu: Quantity = Field(default="500m", description="CPU limit of one job.")
    memory: Quantity = Field(default="512Mi", description="Memory limit of one job, its files included.")


class SandboxPool(Resource):
    """How many sandbox Pods are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.max == 0 || self.min > 0",
                "min must be 1 or more, because a job takes a warm Pod and would find none: raise pool.min,"
                " or write max: 0 to switch execute_code off",
                field="min",
            ),
            rule(
                "self.max == 0 || self.min <= self.max",
                "min must not exceed max: lower pool.min or raise pool.max",
                field="min",
            ),
        )
    )

    min: int = Field(
        default=2, ge=0, le=500, description="Warm Pods kept ready for the next jobs, at least; more are kept while jobs come faster."
    )
    max: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Sandbox Pods at once: warm, busy, and on their way out. 0 switches execute_code off, whatever min says.",
    )
    refill_per_second: int = Field(
        default=20,
        ge=1,
        le=200,
        description="Pods created per second, and at once: what refills may ask of the API server and the scheduler.",
    )


class SandboxArtifacts(Resource):
    """Which files a job may leave behind."""

    max_count: int = Field(default=20, ge=0, le=200, description="Files that one job may leave in its folder artifacts. 0: none are taken.")
    max_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        le=16 * 1024 * 1024,
        description="Bytes of all of them together. A server replica keeps 20 MiB of results and files for ten minutes; the oldest give way.",
    )


class FastLane(Resource):
    """Pure orchestration code without a Pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!isQuantity(string(self.maxMemory)) || (quantity(string(self.maxMemory)).compareTo(quantity('4Mi')) >= 0"
                " && quantity(string(self.maxMemory)).compareTo(quantity('64Mi')) <= 0)",
                "maxMemory must be from 4Mi to 64Mi, because four jobs at once share the server Pod's memory: code that needs more gets a Pod",
                field="maxMemory",
            )
        )
    )

    enabled: bool = Field(
        default=False,
        description="Run code that only calls tools and handles their results in an interpreter of its own, inside the server Pods and without a"
        " Pod of its own. Code that breaks out of that interpreter is confined by seccomp and Landlock alone, in the server Pod and under"
        " its user id: a weaker wall than a Pod. Enable it only where the agents are trusted that far.",
    )
    timeout_seconds: int = Field(
        default=30, ge=1, le=300, description="Wall-clock limit of a job there; with a larger timeout_s it gets a Pod."
    )
    max_memory: Quantity = Field(
        default="16Mi", description="Memory of a job there, from 4Mi to 64Mi. Four at once run in each server Pod."
    )
    max_calls: int = Field(default=1000, ge=1, le=1000, description="Tool calls of a job there.")


class SandboxSessions(Resource):
    """Sandboxes that an agent keeps between calls, with their variables and files."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.idleSeconds <= self.maxSeconds",
                "idleSeconds must not exceed maxSeconds, which ends a session in any case: lower sessions.idleSeconds or raise sessions.maxSeconds",
                field="idleSeconds",
            ),
            rule(
                "!has(self.maxSessionsPerClient) || self.maxSessions == 0 || self.maxSessionsPerClient <= self.maxSessions",
                "maxSessionsPerClient must not exceed maxSessions, the bound for all clients together:"
                " lower sessions.maxSessionsPerClient or raise sessions.maxSessions",
                field="maxSessionsPerClient",
            ),
        )
    )

    max_sessions: int = Field(
        default=4,
        ge=0,
        le=50,
        description="Sessions open at once per server replica; each holds a Pod of pool.max, also while nothing runs in it. 0: none are given out.",
    )
    max_sessions_per_client: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Sessions of one client address at once, per server replica. No limit when absent: a proxy in front shows one address for all.",
    )
    idle_seconds: int = Field(default=300, ge=5, le=3600, description="How long a session is kept without a call.")
    max_seconds: int = Field(
        default=1800,
        ge=10,
        le=14400,
        description="How long a session lives in all. The Pods' deadline and the sweep of stuck ones follow it.",
    )


class Sandbox(Resource):
    """Where execute_code runs: a fresh Pod for each job or session."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!isQuantity(string(self.diskLimit)) || !isQuantity(string(self.resources.memory))"
                " || quantity(string(self.diskLimit)).isLessThan(quantity(string(self.resources.memory)))",
                "diskLimit must be less than resources.memory, because the scratch directory is memory:"
                " lower sandbox.diskLimit or raise sandbox.resources.memory",
                field="diskLimit",
            ),
            rule(
                "!has(self.maxConcurrentPerClient) || self.maxConcurrentPerClient <= self.maxConcurrent",
                "maxConcurrentPerClient must not exceed maxConcurrent, the bound for all clients together:"
                " lower sandbox.maxConcurrentPerClient or raise sandbox.maxConcurrent",
                field="maxConcurrentPerClient",
            ),
        )
    )

    image: Image | None = Field(
        default=None, description="Image of the sandbox, built from the default one. Default: the one that the operator was given."
    )
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the Pods, for example gvisor or kata. A missing one refuses jobs."
    )
    priority_class_name: ObjectName | None = Field(
        default=None,
        description="PriorityClass of the Pods. One below that of the servers lets a full node evict a sandbox, not an endpoint. A missing one refuses jobs.",
    )
    node_selector: dict[str, LabelValue] = Field(
        default={},
        max_length=MAX_NODE_LABELS,
        description="Labels of the nodes that the Pods may run on.",
        json_schema_extra=rules(
            rule(
                f"self.all(key, size(key) <= 316 && key.matches(r'{LABEL_KEY}'))",
                "keys of nodeSelector must be label keys: write for example pool or example.com/pool",
            )
        ),
    )
    tolerations: list[Toleration] = Field(
        default=[], max_length=MAX_TOLERATIONS, description="Taints of nodes that do not keep the Pods away."
    )
    timeout_seconds: int = Field(default=30, ge=1, le=3600, description="Wall-clock limit of one job.")
    resources: SandboxResources = Field(default=SandboxResources(), description="Upper bounds of one job.")
    disk_limit: Quantity = Field(default="100Mi", description="Size of the job's scratch directory, which is memory.")
    max_processes: int = Field(default=50, ge=1, le=1000, description="Processes and threads of one job.")
    max_concurrent: int = Field(default=50, ge=1, le=1000, description="Jobs at once per server replica; more wait, then get an error.")
    max_concurrent_per_client: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Jobs of one client address at once, per server replica; as many more wait their turn, then get an error that says when to"
        " try again. No limit when absent: a proxy in front shows one address for all. Clients that wait take turns in any case.",
    )
    artifacts: SandboxArtifacts = Field(default=SandboxArtifacts(), description="Which files a job may leave behind.")
    pool: SandboxPool = Field(default=SandboxPool(), description="How many Pods are kept.")
    fast_lane: FastLane = Field(default=FastLane(), description="Where pure orchestration code runs without a Pod. Off by default.")
    sessions: SandboxSessions = Field(default=SandboxSessions(), description="Sandboxes that are kept between calls.")
    allow_unenforced_egress: bool = Field(
        default=False,
        description="Run jobs even where the cluster's network plugin does not enforce NetworkPolicies: code may then reach the network,"
        " the API server included. By default such a cluster runs no job.",
    )

    @property
    def longest_seconds(self) -> int:
        """How long a Pod may be at work at most: one job, or a session's life."""
        return max(self.timeout_seconds, self.sessions.max_seconds) if self.sessions.max_sessions else self.timeout_seconds
