"""Conditions: their types, their reasons (a closed set, listed in docs/reference/conditions.md) and their shape."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from .base import Resource


class ConditionType(StrEnum):
    """Every condition type either resource can carry."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AVAILABLE = "Available"
    VERIFIED = "Verified"
    SCALING_ACTIVE = "ScalingActive"
    SANDBOX_READY = "SandboxReady"
    EGRESS_ENFORCED = "EgressEnforced"
    ISOLATION_VERIFIED = "IsolationVerified"
    CONFIG_IN_FORCE = "ConfigInForce"
    TOOLS_PINNED = "ToolsPinned"
    NETWORK_ISOLATION = "NetworkIsolation"
    AUTH_DISABLED = "AuthDisabled"
    PAUSED = "Paused"


class Reason(StrEnum):
    """Every reason a condition can carry; the comment is its meaning in the documentation."""

    READY = "Ready"  # Everything asked for is there and works.
    PAUSED = "Paused"  # spec.paused is true: the operator leaves the children as they are.
    NOT_PAUSED = "NotPaused"  # spec.paused is false.
    RECONCILED = "Reconciled"  # Nothing is left to do for this generation.
    PROGRESSING = "Progressing"  # The operator or the cluster is still working towards this generation.
    ROLLING_OUT = "RollingOut"  # New Pods are replacing old ones.
    REPLICAS_UNAVAILABLE = "ReplicasUnavailable"  # Fewer Pods are ready than asked for.
    SCALED_TO_ZERO = "ScaledToZero"  # Zero replicas are asked for, so nothing runs.
    INVALID_SPEC = "InvalidSpec"  # The spec cannot be carried out; the message names the field.
    IMAGE_PULL_FAILED = "ImagePullFailed"  # The kubelet cannot get the image.
    SECRET_NOT_FOUND = "SecretNotFound"  # A Secret or ConfigMap, or a key of one, that the spec names does not exist.
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"  # The kubelet refuses to start the container as specified.
    CRASH_LOOP = "CrashLoop"  # The container starts and ends again and again.
    UNSCHEDULABLE = "Unschedulable"  # No node has room for the Pod.
    QUOTA_EXCEEDED = "QuotaExceeded"  # A ResourceQuota or LimitRange of the namespace refuses Pods.
    FORBIDDEN = "Forbidden"  # Admission or RBAC refuses what the operator applies.
    APPLY_FAILED = "ApplyFailed"  # The API server could not be asked; the operator tries again.
    VERIFIED = "Verified"  # An MCP handshake and tools/list succeeded.
    AUTH_REQUIRED = "AuthRequired"  # The endpoint answered 401 or 403: it is reachable and wants credentials.
    UNREACHABLE = "Unreachable"  # No connection to the endpoint.
    TIMEOUT = "Timeout"  # The endpoint accepted the connection and did not answer in time.
    NOT_MCP = "NotMCP"  # The endpoint answers, but not with MCP.
    NOT_CHECKED = "NotChecked"  # No Pod to check yet.
    AUTOSCALING_DISABLED = "AutoscalingDisabled"  # spec.autoscaling.enabled is false.
    SCALING_ACTIVE = "ScalingActive"  # The autoscaler reads its metric and acts on it.
    SCALING_INACTIVE = "ScalingInactive"  # The autoscaler cannot act; the message is its own.
    SANDBOX_DISABLED = "SandboxDisabled"  # No sandbox is kept: spec.sandbox.pool.max is 0, or spec.mode is mcp_only.
    POOL_AT_TARGET = "PoolAtTarget"  # Warm sandbox Pods are kept; each one that a job takes is replaced.
    POOL_FILLING = "PoolFilling"  # No sandbox Pod is warm, or has been for half a minute; new ones are on their way.
    EGRESS_DENIED = "EgressDenied"  # Sandbox Pods have tried to reach the API server, and could not.
    EGRESS_OPEN = "EgressOpen"  # Sandbox Pods reach the API server: nothing enforces their NetworkPolicy, so none takes a job.
    EGRESS_UNCHECKED = "EgressUnchecked"  # spec.sandbox.allowUnenforcedEgress is true: nobody checks whether sandboxes reach the network.
    ISOLATION_VERIFIED = (
        "IsolationVerified"  # A probe job in a sandbox found itself confined as it should be; the message names its kernel.
    )
    ISOLATION_FAILED = (
        "IsolationFailed"  # A probe job found a wall missing, so sandboxes made like that one take no job; the message names it.
    )
    RUNTIME_CLASS_NOT_FOUND = "RuntimeClassNotFound"  # spec.sandbox.runtimeClassName names no RuntimeClass of the cluster.
    CONFIG_IN_FORCE = "ConfigInForce"  # Every server Pod runs the config that the operator rendered.
    CONFIG_OUTDATED = "ConfigOutdated"  # A server Pod goes on with an earlier config: it refuses the present one or does not get it.
    PINNED_TOOLS_LISTED = "PinnedToolsListed"  # Every tool of spec.tools.pinned is listed.
    PINNED_TOOL_UNKNOWN = "PinnedToolUnknown"  # An identifier in spec.tools.pinned leads to no tool, as at least one server Pod sees it.
    POLICY_APPLIED = "PolicyApplied"  # NetworkPolicies are in place; the cluster's network plugin enforces them.
    POLICY_DISABLED = "PolicyDisabled"  # spec.networkPolicy.enabled is false.
    NO_AUTHENTICATION = "NoAuthentication"  # Everybody who reaches the endpoint may use it.


class Condition(Resource):
    """A condition as in metav1.Condition."""

    type: str = Field(max_length=316, description="Kind of condition, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, as one word of the documented list.")
    message: str = Field(max_length=32768, description="Why and what to do next, for people.")
    last_transition_time: str = Field(json_schema_extra={"format": "date-time"}, description="When status last changed.")
    observed_generation: int | None = Field(default=None, ge=0, description="metadata.generation this condition speaks of.")
