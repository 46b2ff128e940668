"""Servers in trouble: a clear condition, nothing else affected, recovery without a human."""

from collections.abc import Callable
from typing import Any

import pytest
from scripts.stack import waiting
from scripts.stack.shell import kubectl

from tests.e2e import agent
from tests.e2e.conftest import Images, server

pytestmark = pytest.mark.e2e
Make = Callable[[dict[str, Any]], dict[str, Any]]
HANGING = "import socket\ns = socket.create_server(('', 8080))\nkept = []\nwhile True: kept.append(s.accept())"


def expect(name: str, condition: str, status: str, reason: str, namespace: str, *, seconds: float = 60) -> dict[str, Any]:
    """Wait for a condition's status and reason."""

    def probe() -> dict[str, Any] | None:
        found = waiting.condition("mcps", name, condition, namespace)
        return found if found and (found["status"], found["reason"]) == (status, reason) else None

    return waiting.until(f"{name}: {condition}={status} {reason}", probe, seconds=seconds)


async def others_work(endpoint: str) -> None:
    """The healthy server behind the same endpoint answers."""
    failed, text, _ = await agent.call(endpoint, "execute", tool="acme.billing_list_invoices", arguments={"limit": 1})
    assert not failed, text


async def test_a_missing_image_is_named(make: Make, endpoint: str, stack: str) -> None:
    make(server("no-image", image="localhost/nobody/built-this:1"))
    found = expect("no-image", "Ready", "False", "ImagePullFailed", stack)
    assert "localhost/nobody/built-this:1" in found["message"]
    await others_work(endpoint)


async def test_a_missing_secret_is_named_and_its_creation_heals(make: Make, endpoint: str, stack: str, operator: Images) -> None:
    reference = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "not-yet", "key": "token"}}}
    make(server("no-secret", image=operator["mcp-example-acme"]["ref"], env=[reference]))
    found = expect("no-secret", "Ready", "False", "SecretNotFound", stack)
    assert "not-yet" in found["message"]
    await others_work(endpoint)
    kubectl("-n", stack, "create", "secret", "generic", "not-yet", "--from-literal=token=x")
    expect("no-secret", "Ready", "True", "Ready", stack, seconds=120)


async def test_an_unreachable_remote_is_told_from_one_that_is_not_mcp(make: Make, endpoint: str, stack: str, operator: Images) -> None:
    make(server("nobody-there", remote={"url": "http://nobody-there.invalid/mcp"}))
    make(server("not-mcp", remote={"url": "http://kubernetes.default.svc:443/mcp"}))
    expect("nobody-there", "Verified", "False", "Unreachable", stack)
    expect("not-mcp", "Verified", "False", "NotMCP", stack)
    await others_work(endpoint)


async def test_a_server_that_hangs_times_out_and_blocks_nobody(make: Make, endpoint: str, stack: str, operator: Images) -> None:
    make(server("hangs", image=operator["mcp-example-acme"]["ref"], command=["python3", "-c", HANGING]))
    expect("hangs", "Verified", "False", "Timeout", stack, seconds=90)
    await others_work(endpoint)


async def test_a_quota_is_named_and_lifting_it_heals(make: Make, stack: str, operator: Images, endpoint: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": {"count/replicasets.apps": "100", "requests.memory": "1Ki"}},
    }
    make(quota)
    make(server("over-quota", image=operator["mcp-example-acme"]["ref"]))
    expect("over-quota", "Ready", "False", "QuotaExceeded", stack)
    await others_work(endpoint)
    kubectl("-n", stack, "delete", "resourcequota", "tight")
    kubectl("-n", stack, "rollout", "restart", "deployment/over-quota-mcp")
    expect("over-quota", "Ready", "True", "Ready", stack, seconds=120)
