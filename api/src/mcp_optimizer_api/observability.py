"""Who may look at the server Pods from outside: MCPOptimizer.spec.networkPolicy and spec.observability."""

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import PATTERN_MESSAGE, rule, rules
from .pods import LabelSelector


class MetricsPeer(Resource):
    """Pods that may scrape metrics, as in a NetworkPolicy: with both selectors, Pods of the one in namespaces of the other."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.namespaceSelector) || has(self.podSelector)",
                "a peer needs a selector: set namespaceSelector, podSelector or both ({} selects all)",
            )
        )
    )

    namespace_selector: LabelSelector | None = Field(
        default=None, description="Labels of namespaces; empty selects all of them. Without it: the MCPOptimizer's own namespace."
    )
    pod_selector: LabelSelector | None = Field(
        default=None, description="Labels of Pods. Empty, or without it: all Pods of the selected namespaces."
    )


class NetworkPolicySettings(Resource):
    """NetworkPolicies around the server and its sandboxes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.enabled || !has(self.metricsFrom) || size(self.metricsFrom) == 0",
                "metricsFrom admits nobody while enabled is false, because then everybody is admitted: remove it or set enabled: true",
                field="metricsFrom",
            )
        )
    )

    enabled: bool = Field(default=True, description="Restrict who reaches the server. Sandboxes are always isolated.")
    metrics_from: list[MetricsPeer] = Field(
        default=[], max_length=10, description="Who may reach the management port 8081, where Prometheus scrapes, besides the operator."
    )


class Tracing(Resource):
    """Traces of requests, sent to an OpenTelemetry collector."""

    endpoint: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        max_length=2048,
        description="Base URL of the collector's OTLP/HTTP receiver, without credentials; spans are posted to /v1/traces below it.",
        json_schema_extra={
            PATTERN_MESSAGE: "must be an http or https URL without user name, query and fragment: write for example http://collector:4318"
        },
    )
    sampling_percent: float = Field(
        default=10, ge=0, le=100, description="Share of requests that are traced, unless the request's traceparent decides."
    )


class Observability(Resource):
    """What the server tells about its work besides metrics."""

    tracing: Tracing | None = Field(default=None, description="Traces of requests. Without it: none.")
