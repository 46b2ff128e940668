"""The values: each one described, used and checked, and a wrong one refused with words that help."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.helm import CHART, HelmError, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
FREE = {"global"}  # Helm's own, never in values.yaml.


def schema_paths(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, below in node.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        yield here, below
        yield from schema_paths(below, here)


def default_paths(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, below in node.items():
            here = f"{path}.{name}".lstrip(".")
            yield here
            yield from default_paths(below, here)


def closed(node: dict[str, Any]) -> bool:
    return node.get("additionalProperties") is False


def test_every_value_is_in_the_schema() -> None:
    assert set(default_paths(DEFAULTS)) - {path for path, _ in schema_paths(SCHEMA)} == set()


def test_every_value_of_the_schema_has_a_default() -> None:
    optional = ("resources.", "affinity.", *FREE)
    documented = {path for path, _ in schema_paths(SCHEMA) if not path.startswith(optional)}
    assert documented - set(default_paths(DEFAULTS)) == set()


def test_every_value_is_described() -> None:
    assert [path for path, node in schema_paths(SCHEMA) if len(node.get("description", "")) < 10] == []


def test_every_object_of_ours_is_closed() -> None:
    assert closed(SCHEMA)
    assert [path for path, node in schema_paths(SCHEMA) if "properties" in node and not closed(node)] == []


def test_every_value_is_used_by_a_template() -> None:
    text = "\n".join(path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file())
    used = set(re.findall(r"\.Values\.([A-Za-z.]+)", text))
    leaves = [path for path, node in schema_paths(SCHEMA) if "properties" not in node and path not in FREE]
    # A group that a template takes whole (resources, images by name) uses all that is in it.
    unused = [path for path in leaves if not any(path == one or path.startswith(f"{one}.") for one in used)]
    assert unused == []


def test_every_default_has_a_comment_above_it() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    grouped = {"tolerations", "affinity", "priorityClassName", "podAnnotations", "crds", "rbac", "serviceAccount", "networkPolicy"}
    for above, line in itertools.pairwise(lines):
        key = re.match(r"\s*([A-Za-z]+):", line)
        if key and key[1] not in grouped and not re.match(r"\s*(requests|limits):", line):
            assert above.lstrip().startswith("#"), f"{key[1]} has no comment"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown value": ({"replica": 2}, "additional properties 'replica' not allowed"),
    "an unknown value in a group": ({"crds": {"install": True}}, "'/crds': additional properties 'install' not allowed"),
    "an unknown image": ({"images": {"agent": {}}}, "'/images': additional properties 'agent' not allowed"),
    "an unknown part of an image": ({"images": {"server": {"name": "x"}}}, "'/images/server': additional properties 'name' not allowed"),
    "no replicas": ({"replicas": 0}, "'/replicas': minimum: got 0, want 1"),
    "replicas as text": ({"replicas": "2"}, "'/replicas': got string, want integer"),
    "a tag as a number": ({"images": {"operator": {"tag": 1.2}}}, "'/images/operator/tag': got number, want string"),
    "a digest without algorithm": ({"images": {"sandbox": {"digest": "0f" * 32}}}, "'/images/sandbox/digest'"),
    "a tag and a digest": (
        {"images": {"operator": {"tag": "1", "digest": "sha256:" + "0f" * 32}}},
        "images.operator has both tag and digest",
    ),
    "a registry with a scheme": ({"imageRegistry": "https://r.example"}, "'/imageRegistry': 'https://r.example' does not match pattern"),
    "a namespace in capitals": ({"watchNamespaces": ["Team"]}, "'/watchNamespaces/0': 'Team' does not match pattern"),
    "a namespace twice": ({"watchNamespaces": ["a", "a"]}, "'/watchNamespaces': items at 0 and 1 are equal"),
    "namespaces as text": ({"watchNamespaces": "a,b"}, "'/watchNamespaces': got string, want array"),
    "an unknown log level": ({"logLevel": "TRACE"}, "'/logLevel': value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    "an unknown pull policy": ({"imagePullPolicy": "Sometimes"}, "'/imagePullPolicy': value must be one of"),
    "a switch as text": ({"crds": {"keep": "yes"}}, "'/crds/keep': got string, want boolean"),
    "pull secrets as objects": ({"imagePullSecrets": [{"name": "x"}]}, "'/imagePullSecrets/0': got object, want string"),
    "a quantity in words": ({"resources": {"limits": {"memory": "much"}}}, "'/resources/limits/memory': 'much' does not match pattern"),
    "several operators without election": ({"replicas": 2, "leaderElection": False}, "Set leaderElection to true or replicas to 1"),
    "a label that the selector needs": (
        {"podLabels": {"app.kubernetes.io/name": "x"}},
        "podLabels must not set app.kubernetes.io/name: the Deployment selects its Pods by it. Remove it.",
    ),
    "a peer that admits everybody": (
        {"networkPolicy": {"metricsFrom": [{}]}},
        "'/networkPolicy/metricsFrom/0': minProperties: got 0, want 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_refused_with_its_path_and_reason(case: str) -> None:
    values, words = REFUSED[case]
    with pytest.raises(HelmError) as refused:
        render(values)
    assert words in str(refused.value)
