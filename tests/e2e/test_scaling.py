"""The manifest users already have, unchanged, and an autoscaler that nobody fights."""

import json
from collections.abc import Iterator

import pytest
from scripts.stack import install, waiting
from scripts.stack.shell import get, kubectl

from tests.e2e.conftest import Images

pytestmark = pytest.mark.e2e
NAME = "production-cluster"
AUTOSCALER = "kube-controller-manager"
"""Field manager of what the autoscaler writes."""


@pytest.fixture(scope="module")
def production(operator: Images, namespace: str) -> Iterator[str]:
    """The three-line manifest, Ready."""
    install.apply(install.example("production-cluster", operator), namespace)
    waiting.ready("mcpo", NAME, namespace, seconds=180)
    yield namespace
    kubectl("-n", namespace, "delete", "mcpo", NAME, "--wait=true")


def test_the_production_manifest_becomes_ready_with_an_autoscaler_from_5_to_50(production: str) -> None:
    scaler = get("hpa", f"{NAME}-optimizer", production)["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (5, 50)
    assert get("mcpo", NAME, production)["status"]["replicas"] >= 5


def test_the_replica_count_the_autoscaler_chose_survives_ten_reconciles(production: str) -> None:
    chosen = _replicas(production) + 1
    _set_minimum(production, chosen)
    waiting.until("the autoscaler scales up", lambda: _replicas(production) >= chosen, seconds=90)
    _set_minimum(production, 5)
    for turn in range(10):
        asked = 20 + turn
        kubectl("-n", production, "patch", "mcpo", NAME, "--type=merge", "-p", json.dumps({"spec": {"replicas": asked}}))
        waiting.until("the generation is reconciled", lambda: _settled(production), seconds=20)
        # It may choose again at any moment, so not the number tells: who wrote the one that stands there does.
        number, writers = _replicas_and_writers(production)
        assert (writers, number < 20) == ({AUTOSCALER}, True), f"{number} after spec.replicas {asked}"
    waiting.until("the number is the one the autoscaler wants", lambda: _replicas(production) == _wanted(production), seconds=30)


def _settled(namespace: str) -> bool:
    found = get("mcpo", NAME, namespace)
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


def _set_minimum(namespace: str, minimum: int) -> None:
    kubectl("-n", namespace, "patch", "mcpo", NAME, "--type=merge", "-p", json.dumps({"spec": {"autoscaling": {"minReplicas": minimum}}}))
    scaler = f"{NAME}-optimizer"
    waiting.until("the bound reaches the autoscaler", lambda: get("hpa", scaler, namespace)["spec"]["minReplicas"] == minimum, seconds=10)


def _wanted(namespace: str) -> int:
    return int(get("hpa", f"{NAME}-optimizer", namespace)["status"]["desiredReplicas"])


def _replicas(namespace: str) -> int:
    return _replicas_and_writers(namespace)[0]


def _replicas_and_writers(namespace: str) -> tuple[int, set[str]]:
    """The Deployment's replica count, and the field managers that this number is of."""
    found = json.loads(kubectl("-n", namespace, "get", "deployment", f"{NAME}-optimizer", "--show-managed-fields", "-o", "json"))
    writers = {entry["manager"] for entry in found["metadata"]["managedFields"] if "f:replicas" in entry["fieldsV1"].get("f:spec", {})}
    return int(found["spec"]["replicas"]), writers
