"""What the chart renders for which values."""

import re
from typing import Any

import pytest
import yaml
from tests.helm import CHART, DIGEST, KUBERNETES, NAMESPACE, VALUE_SETS, Manifest, helm, of_kind, render

CLUSTER_SCOPED = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


def deployment(values: dict[str, Any] | None = None) -> Manifest:
    (found,) = of_kind(render(values), "Deployment")
    return found


def container(values: dict[str, Any] | None = None) -> Manifest:
    (found,) = deployment(values)["spec"]["template"]["spec"]["containers"]
    return found


def environment(values: dict[str, Any] | None = None) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container(values)["env"]}


def names(values: dict[str, Any]) -> set[str]:
    return {f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in render(values)}


@pytest.mark.parametrize("case", VALUE_SETS)
def test_every_object_has_an_identity_of_its_own(case: str) -> None:
    manifests = render(VALUE_SETS[case])
    identities = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests]
    assert len(set(identities)) == len(identities)
    assert [m["metadata"]["name"] for m in manifests if m["kind"] not in CLUSTER_SCOPED and "namespace" not in m["metadata"]] == []
    assert all(m["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm" for m in manifests)


@pytest.mark.parametrize("case", VALUE_SETS)
def test_lint_has_nothing_to_say(case: str, tmp_path: Any) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(VALUE_SETS[case]))
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--kube-version", KUBERNETES, "--values", str(values))


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"crds": {"enabled": False}}, {"CustomResourceDefinition"}),
        ({"rbac": {"create": False}}, {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}),
        ({"serviceAccount": {"create": False}}, {"ServiceAccount"}),
        ({"leaderElection": False}, {"Role", "RoleBinding"}),
        ({"watchNamespaces": ["a"]}, {"ClusterRole", "ClusterRoleBinding"}),
    ],
)
def test_a_switch_removes_every_object_of_its_kind(values: dict[str, Any], gone: set[str]) -> None:
    assert gone <= {manifest["kind"] for manifest in render()}
    assert gone & {manifest["kind"] for manifest in render(values)} == set()


@pytest.mark.parametrize(
    ("values", "added"),
    [
        ({"replicas": 2}, {"PodDisruptionBudget/mcp-operator"}),
        ({"networkPolicy": {"enabled": True}}, {"NetworkPolicy/mcp-operator"}),
    ],
)
def test_a_switch_adds_only_its_object(values: dict[str, Any], added: set[str]) -> None:
    assert names(values) - names({}) == added
    assert names({}) - names(values) == set()


def test_each_watched_namespace_gets_a_role_and_its_binding() -> None:
    manifests = render({"watchNamespaces": ["team-a", "team-b"]})
    for kind in ("Role", "RoleBinding"):
        assert sorted(m["metadata"]["namespace"] for m in of_kind(manifests, kind)) == [NAMESPACE, "team-a", "team-b"]
    assert environment({"watchNamespaces": ["team-a", "team-b"]})["WATCH_NAMESPACES"] == "team-a,team-b"


def test_two_releases_do_not_share_a_cluster_role() -> None:
    def cluster_roles(**where: str) -> set[str]:
        return {m["metadata"]["name"] for m in of_kind(render(**where), "ClusterRole")}

    assert cluster_roles(namespace="a") & cluster_roles(namespace="b") == set()
    assert cluster_roles(release="x") & cluster_roles(release="y") == set()


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "localhost/mcp-operator:0.1.0"),
        ({"registry": "r.example:5000", "repository": "team/op", "tag": "1.2"}, "r.example:5000/team/op:1.2"),
        ({"registry": "", "tag": "1"}, "mcp-operator:1"),
        ({"digest": DIGEST}, f"localhost/mcp-operator@{DIGEST}"),
    ],
)
def test_an_image_is_named_by_tag_or_digest(image: dict[str, str], reference: str) -> None:
    assert container({"images": {"operator": image}})["image"] == reference


def test_a_mirror_replaces_every_registry() -> None:
    values = VALUE_SETS["a mirror"]
    assert container(values)["image"] == "mirror.example.com:5000/mcp-operator:0.1.0"
    assert environment(values)["MCP_SERVER_IMAGE"] == "mirror.example.com:5000/mcp-optimizer-server:0.1.0"
    assert environment(values)["MCP_SANDBOX_IMAGE"] == "mirror.example.com:5000/mcp-sandbox:0.1.0"
    assert deployment(values)["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "mirror"}]


def test_the_environment_is_what_the_operator_reads() -> None:
    from mcp_operator.settings import from_env

    values = {"watchNamespaces": ["a", "b"], "logLevel": "DEBUG", "leaderElection": False, "imagePullPolicy": "Never"}
    settings = from_env({**environment(values), "POD_NAMESPACE": "x", "POD_NAME": "y"}, host="")
    assert settings.watch_namespaces == ("a", "b")
    assert (settings.log_level, settings.leader_election, settings.image_pull_policy) == ("DEBUG", False, "Never")
    assert settings.server_image == "localhost/mcp-optimizer-server:0.1.0"
    assert {entry["name"] for entry in container()["env"]} <= {*environment(), "POD_NAMESPACE", "POD_NAME"}
    assert {port["name"]: port["containerPort"] for port in container()["ports"]} == {
        "metrics": settings.metrics_port,
        "health": settings.health_port,
    }


def test_the_pods_carry_the_label_that_the_operators_network_policies_admit() -> None:
    from mcp_operator.desired.networkpolicy import OPERATOR_NAME
    from mcp_optimizer_api.names import NAME_LABEL

    for values in VALUE_SETS.values():
        assert deployment(values)["spec"]["template"]["metadata"]["labels"][NAME_LABEL] == OPERATOR_NAME


def test_the_selector_is_the_same_for_every_value() -> None:
    assert len({str(deployment(values)["spec"]["selector"]) for values in VALUE_SETS.values()}) == 1


def test_every_pod_names_its_user_and_keeps_its_root_read_only() -> None:
    manifests = render(VALUE_SETS["two namespaces and a standby"])
    specs = [m["spec"] for m in of_kind(manifests, "Pod")] + [m["spec"]["template"]["spec"] for m in of_kind(manifests, "Deployment")]
    assert len(specs) == 2
    for spec in specs:
        assert spec["securityContext"]["runAsUser"] >= 10000
        (only,) = spec["containers"]
        assert only["securityContext"]["readOnlyRootFilesystem"] is True
        assert only["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in only["resources"]["limits"]


@pytest.mark.parametrize("keep", [True, False])
def test_the_definitions_are_the_generated_ones_with_a_word_to_helm(keep: bool) -> None:
    from mcp_optimizer_api.crd import KINDS, definition

    rendered = {m["metadata"]["name"]: m for m in of_kind(render({"crds": {"keep": keep}}), "CustomResourceDefinition")}
    assert len(rendered) == len(KINDS)
    for kind in KINDS:
        wanted = definition(kind)
        found = rendered[wanted["metadata"]["name"]]
        assert found["spec"] == wanted["spec"]
        assert found["metadata"].get("annotations", {}) == ({"helm.sh/resource-policy": "keep"} if keep else {})


def test_the_test_pod_runs_only_when_asked() -> None:
    (pod,) = of_kind(render(), "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    compile(pod["spec"]["containers"][0]["command"][2], "installed.py", "exec")


def test_the_policy_admits_metrics_and_the_test_only() -> None:
    (policy,) = of_kind(render(VALUE_SETS["a policy for one scraper"]), "NetworkPolicy")
    (pod,) = of_kind(render(), "Pod")
    metrics, health = policy["spec"]["ingress"]
    assert metrics["from"] == [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    assert health["from"][0]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= deployment()["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("release", ["x", "mcp-operator", "a" * 53, "prod-mcp-operator"])
def test_names_fit_whatever_the_release_is_called(release: str) -> None:
    for manifest in render(release=release, namespace="n" * 63):
        limit = 253 if manifest["kind"] in {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"} else 63
        assert len(manifest["metadata"]["name"]) <= limit
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", manifest["metadata"]["name"])


def test_two_releases_of_one_namespace_wait_for_leases_of_their_own_and_may_use_no_other() -> None:
    seen = set()
    for release in ("one", "two"):
        manifests = render(release=release)
        (made,) = of_kind(manifests, "Deployment")
        (role,) = [m for m in of_kind(manifests, "Role") if m["metadata"]["name"].endswith("-lease")]
        env = {entry["name"]: entry.get("value") for entry in made["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert [rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule] == [[env["LEASE_NAME"]]]
        seen.add(env["LEASE_NAME"])
    assert len(seen) == 2
