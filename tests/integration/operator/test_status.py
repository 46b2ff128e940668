"""What the status says while Pods start, fail and recover; Pods are moved by a kubelet that only pretends."""

import pytest

from .endpoint import Endpoint
from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

POD = "mcp.optimizer.dev/server=s"
SERVER_POD = "mcp.optimizer.dev/component=server"


def pods(cluster: Cluster, label: str, count: int) -> None:
    until(f"{count} Pods", lambda: len(cluster.list("pods", label)) == count)


def test_an_optimizer_becomes_ready_with_its_pods(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(replicas=2))
    pods(cluster, SERVER_POD, 2)
    cluster.expect("mcpo", "o", "Ready", "False", "Progressing")
    cluster.play_kubelet(SERVER_POD)
    cluster.expect("mcpo", "o", "Ready", "True", "Ready")
    cluster.plane.kubectl("wait", "mcpo/o", "-n", cluster.namespace, "--for=condition=Ready", "--timeout=5s")
    found = cluster.get("mcpo", "o")
    assert found is not None
    status = found["status"]
    assert (status["replicas"], status["readyReplicas"], status["observedGeneration"]) == (2, 2, 1)
    assert status["endpoint"] == f"http://o-optimizer.{cluster.namespace}.svc/mcp"
    states = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert states == {
        "Ready": ("True", "Ready"),
        "Reconciling": ("False", "Reconciled"),
        "Stalled": ("False", "Reconciled"),
        "Available": ("True", "Ready"),
        "ScalingActive": ("False", "AutoscalingDisabled"),
        "SandboxReady": ("False", "SandboxDisabled"),
        "EgressEnforced": ("Unknown", "SandboxDisabled"),
        "IsolationVerified": ("Unknown", "SandboxDisabled"),
        "ConfigInForce": ("Unknown", "Progressing"),  # these Pods have no management port to ask
        "NetworkIsolation": ("True", "PolicyApplied"),
        "AuthDisabled": ("True", "NoAuthentication"),
        "Paused": ("False", "NotPaused"),
    }


def test_a_rolling_update_stays_ready_and_says_that_it_rolls(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(replicas=2))
    pods(cluster, SERVER_POD, 2)
    cluster.play_kubelet(SERVER_POD)
    cluster.expect("mcpo", "o", "Ready", "True", "Ready")
    cluster.apply(optimizer(replicas=2, resources={"requests": {"cpu": "50m"}}))
    cluster.expect("mcpo", "o", "Reconciling", "True", "RollingOut")
    assert cluster.condition("mcpo", "o", "Ready")["status"] == "True"  # type: ignore[index]

    def done() -> bool:
        cluster.play_kubelet(SERVER_POD)
        return (cluster.condition("mcpo", "o", "Reconciling") or {}).get("status") == "False"

    until("rolled out", done)


WAITING = [
    ("ErrImagePull", 'failed to resolve "example/server:1": not found', "ImagePullFailed", "example/server:1 cannot be pulled"),
    ("CreateContainerConfigError", 'secret "token" not found', "SecretNotFound", "Secret token does not exist"),
    ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "ContainerConfigError", "runAsNonRoot"),
    ("CrashLoopBackOff", "back-off 10s restarting failed container", "CrashLoop", "again and again"),
]


@pytest.mark.parametrize(("reason", "message", "expected", "text"), WAITING)
def test_a_pod_in_trouble_is_a_clear_condition_until_it_recovers(
    cluster: Cluster, operator: Operator, reason: str, message: str, expected: str, text: str
) -> None:
    cluster.apply(server())
    pods(cluster, POD, 1)
    cluster.play_kubelet(POD, waiting={"reason": reason, "message": message})
    assert text in cluster.expect("mcps", "s", "Ready", "False", expected)["message"]
    if expected == "ImagePullFailed":  # may pass by itself: not Stalled for two minutes
        cluster.expect("mcps", "s", "Reconciling", "True", expected)
    else:
        cluster.expect("mcps", "s", "Stalled", "True", expected)
    cluster.play_kubelet(POD)
    cluster.expect("mcps", "s", "Available", "True", "Ready")
    cluster.expect("mcps", "s", "Stalled", "False", "Reconciled")


def test_an_exceeded_quota_is_a_condition_and_heals_when_it_is_raised(cluster: Cluster, operator: Operator) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}}
    cluster.apply(quota)
    until("quota in force", lambda: "hard" in (cluster.get("resourcequota", "q") or {}).get("status", {}))
    cluster.apply(server())
    assert "exceeded quota" in cluster.expect("mcps", "s", "Ready", "False", "QuotaExceeded")["message"]
    operator.settle()
    cluster.delete("resourcequota", "q")
    pods(cluster, POD, 1)
    cluster.play_kubelet(POD)
    cluster.expect("mcps", "s", "Stalled", "False", "Reconciled", seconds=60)


def test_a_child_that_the_namespace_refuses_is_a_condition(cluster: Cluster, operator: Operator) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"services": "0"}}}
    cluster.apply(quota)
    until("quota in force", lambda: "hard" in (cluster.get("resourcequota", "q") or {}).get("status", {}))
    cluster.apply(server())
    assert "exceeded quota" in cluster.expect("mcps", "s", "Ready", "False", "QuotaExceeded")["message"]
    assert "Deployment/s-mcp" in cluster.children(), "one refused child must not keep the others from being made"
    cluster.delete("resourcequota", "q")
    until("the Service", lambda: "Service/s-mcp" in cluster.children(), seconds=60)


def test_a_remote_server_is_verified_by_a_handshake_and_followed_through_its_failures(cluster: Cluster, operator: Operator) -> None:
    with Endpoint(tools=3) as endpoint:
        cluster.apply(server("r", remote={"url": endpoint.url}))
        cluster.expect("mcps", "r", "Ready", "True", "Ready")
        found = cluster.get("mcps", "r")
        assert found is not None
        assert (found["status"]["tools"]["count"], found["status"]["endpoint"]) == (3, endpoint.url)
        assert cluster.children() == set()
    # Nobody listens any more; a changed spec asks for a fresh look.
    cluster.apply(server("r", remote={"url": endpoint.url}, timeoutSeconds=29))
    cluster.expect("mcps", "r", "Verified", "False", "Unreachable")
    cluster.expect("mcps", "r", "Ready", "False", "Unreachable")
    with Endpoint(tools=4, port=endpoint.port):
        cluster.expect("mcps", "r", "Ready", "True", "Ready", seconds=60)


def test_a_restart_does_not_forget_what_was_verified(cluster: Cluster, operator: Operator) -> None:
    with Endpoint(tools=3) as endpoint:
        cluster.apply(server("r", remote={"url": endpoint.url}))
        cluster.expect("mcps", "r", "Ready", "True", "Ready")
        operator.settle()
        position = cluster.plane.audit_position()
        asked = endpoint.requests
        operator.stop()
        operator.start()
        until("checked again", lambda: endpoint.requests > asked)
        operator.settle()
        assert operator.writes(position) == []


def test_an_endpoint_that_wants_credentials_is_reachable(cluster: Cluster, operator: Operator) -> None:
    with Endpoint(status=401) as endpoint:
        cluster.apply(server("r", remote={"url": endpoint.url}))
        cluster.expect("mcps", "r", "Verified", "Unknown", "AuthRequired")
        cluster.expect("mcps", "r", "Ready", "True", "Ready")


def test_transitions_and_repairs_are_events_and_a_restart_repeats_none(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)
    cluster.delete("service", "s-mcp")
    until("a repair", lambda: "ChildRestored" in events(cluster))
    until("a Pod", lambda: cluster.list("pods", "mcp.optimizer.dev/server=s"))
    cluster.play_kubelet("mcp.optimizer.dev/server=s", waiting={"reason": "ErrImagePull", "message": "not found"})
    until("a transition", lambda: events(cluster).get("ImagePullFailed") == "Warning")
    operator.settle()
    position = cluster.plane.audit_position()
    operator.stop()
    operator.start()
    operator.settle()
    assert operator.writes(position) == []
    shown = cluster.plane.kubectl("describe", "mcps", "s", "-n", cluster.namespace).stdout
    assert "Service s-mcp was deleted and is there again" in shown


def events(cluster: Cluster) -> dict[str, str]:
    """Reason and type of the events about our resources."""
    found = cluster.list("events.events.k8s.io")
    return {event["reason"]: event["type"] for event in found if event["reportingController"] == "mcp.optimizer.dev/operator"}
