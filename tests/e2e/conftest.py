"""One cluster and one installed operator for the whole session; one namespace per test module.

`MCP_E2E_KEEP=1` leaves namespaces and the release in place for a look around. `MCP_E2E_HAND_OVER=1` leaves the release to those who install it
next and end with its removal: the attacks in `make test`.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripts.stack import install, waiting
from scripts.stack.forward import forward
from scripts.stack.shell import devcluster, get, kubectl

Images = dict[str, dict[str, str]]
PREFIX = "e2e-"
KEEP = os.environ.get("MCP_E2E_KEEP") == "1"
HAND_OVER = os.environ.get("MCP_E2E_HAND_OVER") == "1"


@pytest.fixture(scope="session")
def images() -> Images:
    """A cluster with all images loaded."""
    devcluster("up")
    built = install.build_images()
    install.load_images(built)
    return built


@pytest.fixture(scope="session")
def operator(images: Images) -> Iterator[Images]:
    """The operator, installed with Helm as a user would."""
    install.install_chart(images)
    yield images
    if not KEEP and not HAND_OVER:
        waiting.until("the namespaces are gone", lambda: not any(map(_is_ours, get("namespaces"))), seconds=180, every=1)
        install.uninstall_chart()


def _is_ours(namespace: dict[str, Any]) -> bool:
    return str(namespace["metadata"]["name"]).startswith(PREFIX)


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test module's own, with Pod Security `restricted` enforced."""
    name = PREFIX + re.sub(r"[^a-z0-9]+", "-", request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_").lower())[:40]
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    if kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name"):
        kubectl("delete", "namespace", name, "--wait=true", "--timeout=110s")
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))
    yield name
    if not KEEP:
        # What becomes of it is waited for once, at the end: servers take seconds to drain.
        kubectl("-n", name, "delete", "mcpo,mcps", "--all", "--wait=true", "--timeout=60s")
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def stack(operator: Images, namespace: str) -> str:
    """The demo's acme server and an MCPOptimizer `main` in front of it, Ready."""
    install.apply(install.example("acme", operator), namespace)
    install.apply([optimizer("main")], namespace)
    waiting.ready("mcps", "acme", namespace)
    waiting.ready("mcpo", "main", namespace)
    waiting.until("acme federated", lambda: waiting.get("mcpo", "main", namespace)["status"]["totals"]["ready"] == 1, seconds=60)
    return namespace


@pytest.fixture(scope="module")
def endpoint(stack: str) -> Iterator[str]:
    """URL of the optimizer `main`, reachable from here."""
    with forward("svc/main-optimizer", 80, stack) as port:
        yield f"http://127.0.0.1:{port}/mcp"


def optimizer(name: str, **spec: Any) -> dict[str, Any]:
    """An MCPOptimizer manifest; the pool is small, the node is too."""
    return {
        "apiVersion": "mcp.optimizer.dev/v1",
        "kind": "MCPOptimizer",
        "metadata": {"name": name},
        "spec": {"sandbox": {"pool": {"min": 2, "max": 6}}, **spec},
    }


def server(name: str, **spec: Any) -> dict[str, Any]:
    """An MCPServer manifest."""
    return {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPServer", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def make(operator: Images, namespace: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """Apply a manifest; it is deleted after the test."""
    made: list[dict[str, Any]] = []

    def apply(document: dict[str, Any]) -> dict[str, Any]:
        install.apply([document], namespace)
        made.append(document)
        return document

    yield apply
    if not KEEP:
        for document in made:
            kubectl(
                "-n",
                namespace,
                "delete",
                document["kind"],
                document["metadata"]["name"],
                "--ignore-not-found",
                "--wait=true",
                "--timeout=60s",
            )
