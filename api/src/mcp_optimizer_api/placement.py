"""On which nodes Pods may run, in the words of Kubernetes."""

from typing import Literal

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import rule, rules
from .pods import LabelKey, LabelValue

MAX_TOLERATIONS = 16
MAX_NODE_LABELS = 16


class Toleration(Resource):
    """A taint that does not keep the Pods from a node."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.operator != 'Exists' || !has(self.value)",
                "value must be absent when operator is Exists: remove it, or write operator: Equal",
                field="value",
            ),
            rule(
                "has(self.key) || self.operator == 'Exists'",
                "key must be present unless operator is Exists: name the taint's key, or write operator: Exists to tolerate every taint",
                field="key",
            ),
            rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds is for effect NoExecute only: write effect: NoExecute or remove tolerationSeconds",
                field="tolerationSeconds",
            ),
        )
    )

    key: LabelKey | None = Field(default=None, description="Key of the taint; unset, with operator Exists, every taint.")
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="Whether value has to be equal, or the key is enough.")
    value: LabelValue | None = Field(default=None, description="Value of the taint, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; unset: every effect."
    )
    toleration_seconds: int | None = Field(
        default=None,
        ge=0,
        le=86400,
        description="How long a Pod may stay after the taint appeared, with effect NoExecute; unset: for ever.",
    )
