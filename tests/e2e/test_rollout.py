"""Two replicas are replaced one by one while agents work: not one request fails."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.stack import install, waiting
from scripts.stack.shell import get, kubectl

from tests.e2e.conftest import Images, optimizer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
SCRIPT = Path(__file__).with_name("rollout_load.py")
SERVERS = "mcp.optimizer.dev/component=server"
CLIENTS = 7
"""Kinds of clients in the mix."""


@pytest.fixture(scope="module")
def two(operator: Images, namespace: str) -> str:
    """An MCPOptimizer with two replicas, Ready."""
    install.apply(install.example("acme", operator), namespace)
    install.apply([optimizer("main", replicas=2)], namespace)
    waiting.ready("mcps", "acme", namespace)
    waiting.ready("mcpo", "main", namespace)
    waiting.until("acme federated", lambda: get("mcpo", "main", namespace)["status"]["totals"]["ready"] == 1)
    return namespace


@pytest.fixture(scope="module")
def load(two: str, operator: Images) -> Iterator[str]:
    """The mix at work, from a Pod of its own: what kube-proxy and cluster DNS do to a rollout is part of it."""
    install.apply([_script(), _client(operator["mcp-optimizer-server"]["ref"])], two)
    waiting.until("every kind of client was served", lambda: len(_tally(two)["done"]) == CLIENTS, seconds=90, every=1)
    yield two
    kubectl("-n", two, "delete", "pod/load", "configmap/load", "--wait=true", "--timeout=60s")


@pytest.mark.parametrize("change", ["the Pod template", "a restart of all Pods", "the loss of a Pod"])
def test_replacing_every_replica_fails_no_request(load: str, change: str) -> None:
    before, started = _servers(load), _tally(load)
    if change == "the Pod template":
        spec = {"resources": {"requests": {"cpu": "60m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}}
        kubectl("-n", load, "patch", "mcpo", "main", "--type=merge", "-p", json.dumps({"spec": spec}))
    elif change == "a restart of all Pods":
        kubectl("-n", load, "rollout", "restart", "deployment/main-optimizer")
    else:
        kubectl("-n", load, "delete", "pod", sorted(before.values())[0], "--wait=false")
    replaced = 1 if change == "the loss of a Pod" else 2
    waiting.until("the Pods are new ones", lambda: len(_servers(load).keys() - before.keys()) >= replaced, seconds=180, every=1)
    waiting.until("the old ones are gone", lambda: len(_servers(load).keys() & before.keys()) == 2 - replaced, seconds=120, every=1)
    waiting.ready("mcpo", "main", load)
    _a_while_longer(load)
    tally = _tally(load)
    assert tally["failures"] == started["failures"] == [], json.dumps(tally, indent=1)
    served = {name: tally["done"][name] - started["done"].get(name, 0) for name in tally["done"]}
    assert all(served.values()), served


def _a_while_longer(namespace: str) -> None:
    """Until each kind of client was served by the new Pods: a connection that was cut shows with its next request."""
    mark = _tally(namespace)["done"]
    waiting.until(
        "everybody was served again",
        lambda: all(count > mark[name] for name, count in _tally(namespace)["done"].items()),
        seconds=60,
        every=1,
    )


def _tally(namespace: str) -> dict[str, Any]:
    """The newest line of the load; a Pod that ended shows its words instead."""
    lines = kubectl("-n", namespace, "logs", "load", "--tail=1").splitlines()
    deadline = time.monotonic() + 30
    while not lines and time.monotonic() < deadline:
        lines = kubectl("-n", namespace, "logs", "load", "--tail=1").splitlines()
    tally: dict[str, Any] = json.loads(lines[-1])
    return tally


def _servers(namespace: str) -> dict[str, str]:
    """Name of each server Pod by its uid."""
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in get("pods", namespace=namespace, selector=SERVERS)}


def _script() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "load"}, "data": {"load.py": SCRIPT.read_text()}}


def _client(image: str) -> dict[str, Any]:
    container = {
        "name": "load",
        "image": image,
        "command": ["python", "/load/load.py", "http://main-optimizer/mcp"],
        "volumeMounts": [{"name": "load", "mountPath": "/load"}],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 1}
    volumes = [{"name": "load", "configMap": {"name": "load"}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load"},
        "spec": {**spec, "automountServiceAccountToken": False, "volumes": volumes},
    }
