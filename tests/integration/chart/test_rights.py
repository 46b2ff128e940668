"""The rights in force: what the operator's ServiceAccount may and may not do on a real API server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helm import RBAC_KINDS, Values, render
from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.integration


def may(plane: ControlPlane, user: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether the user may; the resource is `plural[.group][/subresource][:name]`."""
    resource, _, name = resource.partition(":")
    resource, _, subresource = resource.partition("/")
    target = [f"{resource}/{name}" if name else resource, *([f"--subresource={subresource}"] if subresource else [])]
    return plane.kubectl("auth", "can-i", verb, *target, "-n", namespace, user, check=False).stdout.strip() == "yes"


@dataclass(frozen=True)
class Account:
    """The operator's ServiceAccount of one installation."""

    plane: ControlPlane
    namespace: str

    @property
    def user(self) -> str:
        return f"--as=system:serviceaccount:{self.namespace}:mcp-operator"

    def may(self, verb: str, resource: str, *, namespace: str) -> bool:
        return may(self.plane, self.user, verb, resource, namespace)

    def apply(self, manifest: dict[str, Any]) -> str:
        """Server-side apply as the operator; the error text, or nothing."""
        done = self.plane.kubectl("apply", "--server-side", "-f", "-", self.user, stdin=json.dumps(manifest), check=False)
        return done.stderr if done.returncode else ""


@pytest.fixture
def install(control_plane: ControlPlane) -> Iterator[Callable[..., Account]]:
    """Apply the chart's accounts and roles only; they are removed after the test."""
    made: list[dict[str, Any]] = []

    def apply(namespace: str, values: Values | None = None) -> Account:
        objects = [m for m in render(values, namespace=namespace) if m["kind"] in RBAC_KINDS]
        made.extend(objects)
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        return Account(control_plane, namespace)

    yield apply
    control_plane.kubectl(
        "delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    )


def manifest(kind: str, api_version: str, namespace: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def role_rules(name: str) -> list[dict[str, Any]]:
    """What the operator grants to the server Pods of an MCPOptimizer."""
    return [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    ]


def test_the_one_secret_can_be_made_by_name_and_no_other(install: Callable[..., Account], namespace: str) -> None:
    operator = install(namespace)
    assert operator.apply(manifest("Secret", "v1", namespace, "mcp-sandbox-keys", data={})) == ""
    assert "is forbidden" in operator.apply(manifest("Secret", "v1", namespace, "other", data={}))
    assert not operator.may("list", "secrets", namespace=namespace)
    assert not operator.may("create", "secrets", namespace=namespace)
    assert operator.may("watch", "secrets:mcp-sandbox-keys", namespace=namespace)
    assert not operator.may("get", "secrets:other", namespace=namespace)


def test_the_one_secret_can_be_listed_and_watched_by_its_name(install: Callable[..., Account], namespace: str) -> None:
    operator = install(namespace)
    arguments = ("get", "secrets", "-n", namespace, operator.user, "--field-selector", "metadata.name=mcp-sandbox-keys", "-o", "name")
    assert operator.plane.kubectl(*arguments).stdout == ""
    everything = operator.plane.kubectl("get", "secrets", "-n", namespace, operator.user, check=False)
    assert "is forbidden" in everything.stderr


def test_a_cluster_wide_installation_serves_every_namespace(install: Callable[..., Account], namespace: str, elsewhere: str) -> None:
    operator = install(namespace)
    for where in (namespace, elsewhere):
        assert operator.may("patch", "deployments.apps", namespace=where)
        assert operator.may("patch", "mcpservers.mcp.optimizer.dev/status", namespace=where)


def test_a_namespaced_installation_serves_its_namespaces_only(install: Callable[..., Account], namespace: str, elsewhere: str) -> None:
    operator = install(namespace, {"watchNamespaces": [elsewhere]})
    assert operator.may("patch", "deployments.apps", namespace=elsewhere)
    assert operator.may("watch", "mcpoptimizers.mcp.optimizer.dev", namespace=elsewhere)
    assert not operator.may("get", "deployments.apps", namespace=namespace)
    assert not operator.may("watch", "mcpoptimizers.mcp.optimizer.dev", namespace="default")
    assert operator.may("update", "leases.coordination.k8s.io:mcp-operator", namespace=namespace)


def test_the_role_of_the_server_pods_can_be_granted_and_nothing_wider(install: Callable[..., Account], namespace: str) -> None:
    operator = install(namespace)
    group = "rbac.authorization.k8s.io/v1"
    assert operator.apply(manifest("Role", group, namespace, "tools-optimizer", rules=role_rules("tools-optimizer-config"))) == ""
    binding = manifest(
        "RoleBinding",
        group,
        namespace,
        "tools-optimizer",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tools-optimizer"},
        subjects=[{"kind": "ServiceAccount", "name": "tools-optimizer", "namespace": namespace}],
    )
    assert operator.apply(binding) == ""
    wider = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    refused = operator.apply(manifest("Role", group, namespace, "wider", rules=wider))
    assert "attempting to grant RBAC permissions not currently held" in refused
    admin = {**binding, "metadata": {**binding["metadata"], "name": "admin"}}
    admin["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    assert "attempting to grant RBAC permissions not currently held" in operator.apply(admin)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("create", "pods/exec"),
        ("patch", "pods"),
        ("update", "mcpservers.mcp.optimizer.dev"),
        ("patch", "mcpservers.mcp.optimizer.dev"),
        ("delete", "mcpoptimizers.mcp.optimizer.dev"),
        ("create", "serviceaccounts/token"),
        ("get", "nodes"),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
        ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
        ("create", "jobs.batch"),
        ("delete", "leases.coordination.k8s.io:mcp-operator"),
        ("update", "leases.coordination.k8s.io:other"),
        ("delete", "secrets:mcp-sandbox-keys"),
        ("get", "runtimeclasses.node.k8s.io"),
    ],
)
def test_the_operator_may_not(verb: str, resource: str, install: Callable[..., Account], namespace: str) -> None:
    assert not install(namespace).may(verb, resource, namespace=namespace)


def test_editors_of_a_namespace_manage_the_resources_and_viewers_see_them(
    install: Callable[..., Account], control_plane: ControlPlane, namespace: str
) -> None:
    install(namespace)
    for user, role in (("vera", "view"), ("eddie", "edit")):
        control_plane.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", namespace)

    def allowed(user: str, verb: str, resource: str) -> bool:
        return may(control_plane, f"--as={user}", verb, resource, namespace)

    # Aggregation is the controller-manager's work: it follows within moments.
    control_plane.eventually(lambda: allowed("vera", "list", "mcpservers.mcp.optimizer.dev"))
    control_plane.eventually(lambda: allowed("eddie", "create", "mcpoptimizers.mcp.optimizer.dev"))
    assert allowed("eddie", "patch", "mcpservers.mcp.optimizer.dev/scale")
    assert not allowed("vera", "create", "mcpoptimizers.mcp.optimizer.dev")
    assert not allowed("eddie", "patch", "mcpoptimizers.mcp.optimizer.dev/status")
