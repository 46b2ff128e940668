"""Field types of both resources: quantities and label selectors."""

import pytest
from pydantic import ValidationError

from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.pods import LabelSelector, ResourceList
from mcp_optimizer_api.server import MCPServerSpec

LABELS = {"team": "a", "stage": "prod", "empty": ""}


@pytest.mark.parametrize(("written", "read"), [(1, "1"), ("1", "1"), ("500m", "500m"), ("1.5", "1.5"), ("128Mi", "128Mi")])
def test_a_quantity_is_read_as_text(written: object, read: str) -> None:
    assert ResourceList.model_validate({"cpu": written}).cpu == read


@pytest.mark.parametrize("written", ["abc", "", "-1", "1 Gi", True, 1.5, "1" * 21, "1e3"])
def test_what_is_no_quantity_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        ResourceList.model_validate({"cpu": written})


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchLabels": {"team": "b"}}, False),
        ({"matchLabels": {"missing": ""}}, False),
        ({"matchLabels": {"empty": ""}}, True),
        ({"matchLabels": {"team": "a", "stage": "dev"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["b", "a"]}]}, True),
        ({"matchExpressions": [{"key": "missing", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "missing", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "empty", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "missing", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "empty", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "missing", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
    ],
)
def test_a_selector_selects_as_in_kubernetes(selector: dict[str, object], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(LABELS) is matches


def test_a_field_of_a_newer_definition_is_ignored() -> None:
    assert MCPOptimizerSpec.model_validate({"replicas": 2, "invented": {"later": 1}}) == MCPOptimizerSpec(replicas=2)


def test_what_the_api_server_leaves_unset_has_its_default_in_code() -> None:
    spec = MCPServerSpec.model_validate({"image": "acme"})
    assert (spec.port, spec.path, spec.autoscaling.enabled) == (8080, "/mcp", False)
