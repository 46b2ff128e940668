"""The operator over time: repair, restarts, upgrades, removal, without the agents noticing."""

import json
import time

import pytest
from scripts.stack import install, waiting
from scripts.stack.forward import forward
from scripts.stack.shell import get, helm, kubectl

from tests.e2e import agent
from tests.e2e.conftest import Images, optimizer

pytestmark = pytest.mark.e2e
SANDBOX = "mcp.optimizer.dev/component=sandbox"
OPERATOR = f"deployment/{install.RELEASE}"
CHILDREN = [
    ("deployment", "main-optimizer"),
    ("service", "main-optimizer"),
    ("configmap", "main-optimizer-config"),
    ("role", "main-optimizer"),
    ("rolebinding", "main-optimizer"),
    ("serviceaccount", "main-optimizer"),
    ("networkpolicy", "main-optimizer"),
    ("networkpolicy", "main-optimizer-sandbox"),
    ("secret", "mcp-sandbox-keys"),
    ("deployment", "acme-mcp"),
    ("service", "acme-mcp"),
    ("networkpolicy", "acme-mcp"),
]
ALL_KINDS = "deployments,replicasets,services,configmaps,roles,rolebindings,serviceaccounts,networkpolicies,hpa,pdb,secrets,pods"


@pytest.mark.parametrize(("kind", "name"), CHILDREN)
def test_a_deleted_child_comes_back(stack: str, kind: str, name: str) -> None:
    uid = get(kind, name, stack)["metadata"]["uid"]
    kubectl("-n", stack, "delete", kind, name, "--wait=false")
    waiting.until(f"{kind}/{name} is back", lambda: get(kind, name, stack)["metadata"]["uid"] != uid, seconds=20)


async def test_the_stack_works_after_all_that(stack: str) -> None:
    waiting.ready("mcps", "acme", stack)
    waiting.ready("mcpo", "main", stack)
    with forward("svc/main-optimizer", 80, stack) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        # The endpoint and the server are both new: the one finds the other when that is up.
        deadline = time.monotonic() + 30
        while "acme." not in (await agent.call(url, "discover", query="list invoices"))[1]:
            assert time.monotonic() < deadline
        failed, text, _ = await agent.run_code(url, "call('acme.billing_list_invoices', limit=1)")
    assert not failed, text


async def test_a_new_server_is_federated_without_a_restart(stack: str, operator: Images) -> None:
    pods = _running(stack)
    install.apply(install.example("remote", operator, stack), stack)
    waiting.ready("mcps", "weather", stack)
    with forward("svc/main-optimizer", 80, stack) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        deadline = time.monotonic() + 30
        while "weather." not in (await agent.call(url, "discover", query="weather forecast"))[1]:
            assert time.monotonic() < deadline
    assert _running(stack) >= pods


async def test_a_changed_spec_reaches_the_running_servers_within_seconds(stack: str) -> None:
    pods = _running(stack)
    with forward("svc/main-optimizer", 80, stack) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        assert len(await _hits(url)) == 8
        kubectl("-n", stack, "patch", "mcpo", "main", "--type=merge", "-p", '{"spec":{"search":{"limit":3}}}')
        patched = time.monotonic()
        while len(await _hits(url)) != 3:
            assert time.monotonic() - patched < 15
    assert _running(stack) == pods


async def _hits(url: str) -> list[str]:
    """Identifiers of the tools that one discovery returns."""
    _, text, _ = await agent.call(url, "discover", query="list invoices of a customer")
    return [line for line in text.splitlines() if line.startswith(("acme.", "weather."))]


def test_the_servers_account_may_write_nothing(stack: str) -> None:
    account = f"system:serviceaccount:{stack}:main-optimizer"
    rules = kubectl("-n", stack, "auth", "can-i", "--list", f"--as={account}", "--no-headers")
    namespaced = [line for line in rules.splitlines() if "selfsubject" not in line and not line.strip().startswith("[")]
    for verb in ("create", "update", "patch", "delete"):
        assert not [line for line in namespaced if verb in line.split("[")[-1]], rules


def test_an_upgrade_of_the_operator_restarts_no_server(stack: str, operator: Images) -> None:
    before = _running(stack)
    install.install_chart(operator, "--set", "logLevel=DEBUG")
    helm("test", install.RELEASE, "--namespace", install.NAMESPACE)
    install.install_chart(operator)
    assert _running(stack) == before


async def test_warm_pods_serve_without_the_operator_and_a_returning_one_refills_without_making_a_pod_twice(stack: str) -> None:
    with forward("svc/main-optimizer", 80, stack) as port:
        await _run_dry_and_refill(f"http://127.0.0.1:{port}/mcp", stack)


async def _run_dry_and_refill(endpoint: str, stack: str) -> None:
    waiting.until("a warm pool", lambda: len(_alive(stack, warm=True)) >= 2, seconds=60)
    _operators(0)
    try:
        # What the operator made last may still be starting.
        waiting.until("Pods that are all warm", lambda: _alive(stack, warm=True) == _alive(stack, warm=False), seconds=60)
        warm = _alive(stack, warm=True)
        for number in range(len(warm)):
            failed, text, _ = await agent.run_code(endpoint, "params['n'] + 1", n=number)
            assert not failed, text
        failed, text, _ = await agent.call(endpoint, "execute_code", code="1")
        assert failed
        assert "no sandbox Pod is warm" in text and "spec.sandbox.pool" in text, text
        spent = {pod["metadata"]["name"] for pod in get("pods", namespace=stack, selector=SANDBOX)}
        assert spent >= warm
        assert not _alive(stack, warm=False)
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
            # One that is told to end goes on making Pods until it has.
            len(get("pods", namespace=install.NAMESPACE)) == count
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


async def test_without_the_operator_agents_are_served_and_deletion_leaves_nothing(stack: str, operator: Images) -> None:
    install.uninstall_chart()
    try:
        assert not _release_objects(), "left by helm uninstall"
        assert "mcpservers.mcp.optimizer.dev" in kubectl("get", "crd", "-o", "name"), "crds.keep"
        with forward("svc/main-optimizer", 80, stack) as port:
            failed, text, _ = await agent.run_code(f"http://127.0.0.1:{port}/mcp", "1 + 1")
        assert not failed, text
        kubectl("-n", stack, "delete", "mcpo,mcps", "--all", "--wait=true", "--timeout=60s")
        waiting.until("nothing of ours is left", lambda: not _ours(stack), seconds=60)
    finally:
        install.install_chart(operator)
    install.apply([optimizer("again")], stack)
    waiting.ready("mcpo", "again", stack)


def _release_objects() -> list[str]:
    kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies"
    selector = f"app.kubernetes.io/instance={install.RELEASE},app.kubernetes.io/managed-by=Helm"
    return kubectl("-n", install.NAMESPACE, "get", kinds, "-l", selector, "-o", "name").split()


def _running(namespace: str) -> set[str]:
    """UIDs of server and upstream Pods, once no earlier one is on its way out."""

    def settled() -> set[str]:
        pods = get("pods", namespace=namespace, selector="mcp.optimizer.dev/component in (server,upstream)")
        ending = any("deletionTimestamp" in pod["metadata"] for pod in pods)
        return set() if ending else {pod["metadata"]["uid"] for pod in pods}

    return waiting.until("no Pod is ending", settled, seconds=90, every=1)


def _ours(namespace: str) -> list[str]:
    selector = "app.kubernetes.io/managed-by=mcp-operator"
    items = json.loads(kubectl("-n", namespace, "get", ALL_KINDS, "-l", selector, "-o", "json"))["items"]
    return [f"{item['kind']}/{item['metadata']['name']}" for item in items]
