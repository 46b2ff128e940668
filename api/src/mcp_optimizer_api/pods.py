"""Field types both resources share: names, quantities, resources, environment, autoscaling."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from .base import Resource
from .cel import PATTERN_MESSAGE, rule, rules


def _text(value: object) -> object:
    """`cpu: 1` is a number in YAML; a quantity is text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


QUANTITY = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|Ki|Mi|Gi|Ti|M|G|T)?$"
Quantity = Annotated[
    str,
    Field(
        pattern=QUANTITY,
        max_length=20,
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            PATTERN_MESSAGE: "must be a Kubernetes quantity: write for example 500m or 2 (CPU), 128Mi or 1Gi (memory)",
        },
    ),
    BeforeValidator(_text),
]
"""A Kubernetes quantity of a sensible size: `100m`, `1`, `128Mi`."""
ObjectName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
        json_schema_extra={
            PATTERN_MESSAGE: "must be an object name: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
        },
    ),
]
IMAGE = (
    r"^[A-Za-z0-9]+([._-]+[A-Za-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[a-f0-9]{32,128})?$"
)
Image = Annotated[
    str,
    Field(
        pattern=IMAGE,
        max_length=512,
        json_schema_extra={
            PATTERN_MESSAGE: "must be an image reference: write for example registry.example.com/team/tools:1.2, without https://"
        },
    ),
]
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelKey = Annotated[
    str,
    Field(
        pattern=LABEL_KEY,
        max_length=316,
        json_schema_extra={PATTERN_MESSAGE: "must be a label key: write for example team or example.com/team"},
    ),
]
LabelValue = Annotated[
    str,
    Field(
        pattern=LABEL_VALUE,
        max_length=63,
        json_schema_extra={
            PATTERN_MESSAGE: "must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        },
    ),
]


class ResourceList(Resource):
    """Amounts of compute."""

    cpu: Quantity | None = Field(default=None, description="CPU cores: 100m is a tenth of a core.")
    memory: Quantity | None = Field(default=None, description="Memory in bytes: 128Mi.")


def _within_limit(amount: str) -> dict[str, str]:
    """The request of `amount` must not exceed its limit, as far as both are written and are quantities."""
    both = " && ".join(f"has(self.{side}) && has(self.{side}.{amount})" for side in ("requests", "limits"))
    request, limit = (f"string(self.{side}.{amount})" for side in ("requests", "limits"))
    return rule(
        f"!({both} && isQuantity({request}) && isQuantity({limit})) || quantity({request}).compareTo(quantity({limit})) <= 0",
        f"requests.{amount} must not exceed limits.{amount}: lower the request or raise the limit",
        field=f"requests.{amount}",
    )


class Resources(Resource):
    """Requests and limits of the container."""

    model_config = ConfigDict(json_schema_extra=rules(_within_limit("cpu"), _within_limit("memory")))

    requests: ResourceList | None = Field(default=None, description="Guaranteed amounts, used for scheduling and autoscaling.")
    limits: ResourceList | None = Field(default=None, description="Upper bounds, enforced by the kernel.")


class LocalReference(Resource):
    """An object of the same namespace, by name."""

    name: ObjectName = Field(description="Name of the object, in the namespace of this resource.")


class KeyReference(Resource):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret or ConfigMap, in the namespace of this resource.")
    key: str = Field(
        pattern=r"^[-._a-zA-Z0-9]+$",
        max_length=253,
        description="The key in it.",
        json_schema_extra={PATTERN_MESSAGE: "must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'"},
    )


class EnvSource(Resource):
    """Where the value of an environment variable comes from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "valueFrom needs exactly one of secretKeyRef and configMapKeyRef: add the missing one or remove the other",
            )
        )
    )

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")


class EnvVar(Resource):
    """An environment variable: a literal value, or a reference to a Secret or ConfigMap."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.value) != has(self.valueFrom)",
                "an env entry needs exactly one of value and valueFrom: add the missing one or remove the other",
            )
        )
    )

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$",
        max_length=253,
        description="Name of the variable.",
        json_schema_extra={PATTERN_MESSAGE: "must be a variable name: letters, digits, '_', '.' and '-', not beginning with a digit"},
    )
    value: str | None = Field(default=None, max_length=4096, description="Literal value. Never put a secret here: use valueFrom.")
    value_from: EnvSource | None = Field(default=None, description="Reference to a Secret or ConfigMap key.")


AUTOSCALING_NEEDS_CPU = rule(
    "!has(self.autoscaling) || !self.autoscaling.enabled || !has(self.resources)"
    " || (has(self.resources.requests) && has(self.resources.requests.cpu)) || (has(self.resources.limits) && has(self.resources.limits.cpu))",
    "resources needs requests.cpu when autoscaling is enabled, because the autoscaler holds CPU use in percent of it:"
    " add resources.requests.cpu, or remove resources for the default",
    field="resources",
)
"""A rule of both specs: a HorizontalPodAutoscaler without a CPU request never gets its metric."""


class AutoscalingTargets(Resource):
    """What the autoscaler holds."""

    cpu_utilization_percent: int = Field(default=70, ge=1, le=1000, description="Average CPU use, in percent of the CPU request.")


class Autoscaling(Resource):
    """Horizontal autoscaling of the Deployment by a HorizontalPodAutoscaler."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.minReplicas <= self.maxReplicas",
                "minReplicas must not exceed maxReplicas: lower minReplicas or raise maxReplicas",
                field="minReplicas",
            )
        )
    )

    enabled: bool = Field(
        default=False, description="Create an autoscaler. It then owns the replica count; spec.replicas is the initial value only."
    )
    min_replicas: int = Field(default=1, ge=1, le=1000, description="Never fewer replicas than this.")
    max_replicas: int = Field(default=10, ge=1, le=1000, description="Never more replicas than this.")
    targets: AutoscalingTargets = Field(default=AutoscalingTargets(), description="What the autoscaler holds.")


class LabelRequirement(Resource):
    """One set-based label requirement."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
                "values must be given for the operators In and NotIn, and must be absent for Exists and DoesNotExist",
                field="values",
            )
        )
    )

    key: LabelKey = Field(description="Label key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How the key relates to the values.")
    values: list[LabelValue] = Field(default=[], max_length=50, description="Values for In and NotIn; empty otherwise.")


class LabelSelector(Resource):
    """A Kubernetes label selector; empty selects everything."""

    match_labels: dict[str, LabelValue] = Field(
        default={},
        max_length=50,
        description="Labels that must all be equal.",
        json_schema_extra=rules(
            rule(
                f"self.all(key, size(key) <= 316 && key.matches(r'{LABEL_KEY}'))",
                "keys of matchLabels must be label keys: write for example team or example.com/team",
            )
        ),
    )
    match_expressions: list[LabelRequirement] = Field(default=[], max_length=50, description="Requirements that must all hold.")

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(_holds(requirement, labels) for requirement in self.match_expressions)


def _holds(requirement: LabelRequirement, labels: dict[str, str]) -> bool:
    match requirement.operator:
        case "Exists":
            return requirement.key in labels
        case "DoesNotExist":
            return requirement.key not in labels
        case "In":
            return labels.get(requirement.key) in requirement.values
        case "NotIn":
            return labels.get(requirement.key) not in requirement.values
