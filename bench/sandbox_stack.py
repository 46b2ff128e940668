"""The product on a cluster, with one MCPOptimizer for each thing that is measured."""

from pathlib import Path
from typing import Any

from scripts.stack import install, waiting
from scripts.stack.shell import devcluster, kubeconfig, kubectl, step

from bench import echo_upstream
from bench.sandbox_client import Target

NAMESPACE = "bench-sandbox"
SMALL = {"min": 3, "max": 16}
SPECS: dict[str, dict[str, Any]] = {
    "runc": {"sandbox": {"pool": SMALL}},
    "gvisor": {"sandbox": {"pool": SMALL, "runtimeClassName": "gvisor"}},
}
CROWD_REQUESTS = {"cpu": "5m", "memory": "32Mi"}
"""So that the scheduler puts a burst's Pods onto one small node: 150 at the default of 50m would ask for 7.5 cores."""


def install_product() -> None:
    """A cluster, the images, the operator and a server with tools."""
    with step("cluster, images, operator"):
        devcluster("up")
        images = install.build_images()
        install.load_images(images)
        install.install_chart(images)
    with step("a server with a tool"):
        install.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}], NAMESPACE)
        spec = {
            "image": images[install.CHART_IMAGES["server"]]["ref"],
            "command": ["python", "-c", Path(echo_upstream.__file__).read_text()],
            "port": echo_upstream.PORT,
        }
        install.apply([{"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPServer", "metadata": {"name": "echo"}, "spec": spec}], NAMESPACE)
        waiting.ready("mcps", "echo", NAMESPACE)


def optimizer(name: str, spec: dict[str, Any], *, seconds: float = 120) -> Target:
    """An MCPOptimizer of this name that is Ready."""
    with step(f"MCPOptimizer {name}"):
        install.apply([{"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": name}, "spec": spec}], NAMESPACE)
        waiting.ready("mcpo", name, NAMESPACE, seconds=seconds)
    return Target(NAMESPACE, name, kubeconfig(), Path(kubeconfig()).parent / "audit.log", None)


def crowd(pods: int) -> dict[str, Any]:
    """A pool of so many warm Pods on one node, all of which may be busy at once. Hardly more: a burst makes it grow, and idle Pods cost the next one."""
    return {
        "sandbox": {
            "pool": {"min": pods, "max": pods + pods // 5},
            "maxConcurrent": pods,
            "resources": {"requests": CROWD_REQUESTS, "memory": "128Mi"},
            "diskLimit": "16Mi",
        },
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
    }


def remove(name: str) -> None:
    """The MCPOptimizer and its Pods."""
    with step(f"remove {name}"):
        kubectl("-n", NAMESPACE, "delete", "mcpo", name, "--wait=true", "--timeout=60s")
        selector = f"mcp.optimizer.dev/optimizer={name}"
        kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", selector, "--timeout=300s", timeout=330)
