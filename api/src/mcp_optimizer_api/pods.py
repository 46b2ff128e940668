"""Field types both resources share: quantities, resources, environment, autoscaling."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Resource

QUANTITY = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|Ki|Mi|Gi|Ti|M|G|T)?$"
Quantity = Annotated[str, Field(pattern=QUANTITY, max_length=20, json_schema_extra={"x-kubernetes-int-or-string": True})]
"""A Kubernetes quantity of a sensible size: `100m`, `1`, `128Mi`."""
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
LabelKey = Annotated[str, Field(max_length=316)]
LabelValue = Annotated[str, Field(max_length=63)]


class ResourceList(Resource):
    """Amounts of compute."""

    cpu: Quantity | None = Field(default=None, description="CPU cores: 100m is a tenth of a core.")
    memory: Quantity | None = Field(default=None, description="Memory in bytes: 128Mi.")


class Resources(Resource):
    """Requests and limits of the container."""

    requests: ResourceList | None = Field(default=None, description="Guaranteed amounts, used for scheduling and autoscaling.")
    limits: ResourceList | None = Field(default=None, description="Upper bounds, enforced by the kernel.")


class LocalReference(Resource):
    """An object of the same namespace, by name."""

    name: ObjectName = Field(description="Name of the object, in the namespace of this resource.")


class KeyReference(Resource):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret or ConfigMap, in the namespace of this resource.")
    key: str = Field(min_length=1, max_length=253, description="The key in it.")


class EnvSource(Resource):
    """Where the value of an environment variable comes from."""

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")


class EnvVar(Resource):
    """An environment variable: a literal value, or a reference to a Secret or ConfigMap."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=253, description="Name of the variable.")
    value: str | None = Field(default=None, max_length=4096, description="Literal value. Never put a secret here: use valueFrom.")
    value_from: EnvSource | None = Field(default=None, description="Reference to a Secret or ConfigMap key.")


class AutoscalingTargets(Resource):
    """What the autoscaler holds."""

    cpu_utilization_percent: int = Field(default=70, ge=1, le=1000, description="Average CPU use, in percent of the CPU request.")


class Autoscaling(Resource):
    """Horizontal autoscaling of the Deployment by a HorizontalPodAutoscaler."""

    enabled: bool = Field(
        default=False, description="Create an autoscaler. It then owns the replica count; spec.replicas is the initial value only."
    )
    min_replicas: int = Field(default=1, ge=1, le=1000, description="Never fewer replicas than this.")
    max_replicas: int = Field(default=10, ge=1, le=1000, description="Never more replicas than this.")
    targets: AutoscalingTargets = Field(default=AutoscalingTargets(), description="What the autoscaler holds.")


class LabelRequirement(Resource):
    """One set-based label requirement."""

    key: LabelKey = Field(min_length=1, description="Label key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How the key relates to the values.")
    values: list[LabelValue] = Field(default=[], max_length=50, description="Values for In and NotIn; empty otherwise.")


class LabelSelector(Resource):
    """A Kubernetes label selector; empty selects everything."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=50)] = Field(
        default={}, description="Labels that must all be equal."
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
