"""While nobody refills the pool, what is warm goes on serving; then jobs are refused clearly, until the operator is back."""

import pytest
from scripts.stack import install, waiting
from scripts.stack.shell import get, kubectl

from tests.e2e import agent

pytestmark = pytest.mark.e2e
SANDBOX = "mcp.optimizer.dev/component=sandbox"
OPERATOR = f"deployment/{install.RELEASE}"


async def test_warm_pods_serve_without_the_operator_and_a_returning_one_refills_without_making_a_pod_twice(
    endpoint: str, stack: str
) -> None:
    waiting.until("a warm pool", lambda: len(_alive(stack, warm=True)) >= 2, seconds=60)
    _operators(0)
    try:
        warm = _alive(stack, warm=True)
        for number in range(len(warm)):
            failed, text, _ = await agent.run_code(endpoint, "params['n'] + 1", n=number)
            assert not failed, text
        failed, text, _ = await agent.call(endpoint, "execute_code", code="1")
        assert failed
        assert "no sandbox Pod is warm" in text and "spec.sandbox.pool" in text, text
        spent = {pod["metadata"]["name"] for pod in get("pods", namespace=stack, selector=SANDBOX)}
        assert spent == warm
    finally:
        _operators(1)
    target = waiting.until("a pool at its target", lambda: _at_target(stack), seconds=120)
    failed, text, _ = await agent.run_code(endpoint, "6 * 7")
    assert not failed, text
    made = {pod["metadata"]["name"] for pod in get("pods", namespace=stack, selector=SANDBOX)} - spent
    # The job above has taken one, for which another may be on its way already.
    assert target <= len(made) <= target + 2, made


def _operators(count: int) -> None:
    kubectl("-n", install.NAMESPACE, "scale", OPERATOR, f"--replicas={count}")
    waiting.until(
        f"{count} operators",
        lambda: (
            len([pod for pod in get("pods", namespace=install.NAMESPACE) if "deletionTimestamp" not in pod["metadata"]]) == count
            and (count == 0 or get("deployment", install.RELEASE, install.NAMESPACE)["status"].get("readyReplicas") == count)
        ),
        seconds=90,
    )


def _at_target(namespace: str) -> int:
    """The number of warm Pods, once it is what the status asks for and nothing else is there."""
    target = int(get("mcpo", "main", namespace)["status"]["sandboxes"]["target"])
    warm, alive = _alive(namespace, warm=True), _alive(namespace, warm=False)
    return target if len(warm) == len(alive) == target else 0


def _alive(namespace: str, *, warm: bool) -> set[str]:
    """Names of the sandbox Pods that have not ended; with `warm`, of those that are Ready."""
    return {
        pod["metadata"]["name"]
        for pod in get("pods", namespace=namespace, selector=SANDBOX)
        if pod["status"].get("phase") not in ("Succeeded", "Failed")
        and "deletionTimestamp" not in pod["metadata"]
        and (not warm or any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])))
    }
