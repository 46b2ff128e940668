"""The rights the chart grants: narrow, documented, and enough for what the operator does."""

import re
from typing import Any

import pytest
from tests.helm import CHECKOUT, VALUE_SETS, Manifest, of_kind, render

PAGE = CHECKOUT / "docs" / "reference" / "rbac.md"
READ = ["get", "list", "watch"]
Grant = tuple[str, str, str, tuple[str, ...]]  # group, resource, object name or "", verbs


def roles(values: dict[str, Any] | None = None) -> list[Manifest]:
    manifests = render(values)
    return of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role")


def grants(rules: list[dict[str, Any]]) -> set[Grant]:
    return {
        (group, resource, name, tuple(rule["verbs"]))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def operator_rules() -> list[dict[str, Any]]:
    (role,) = [role for role in of_kind(render(), "ClusterRole") if role["metadata"]["name"] == "mcp-system-mcp-operator"]
    rules: list[dict[str, Any]] = role["rules"]
    return rules


def documented(heading: str) -> set[Grant]:
    section = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found: set[Grant] = set()
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 6 or cells[1] in ("group", "---"):
            continue
        resources, _, name = cells[2].partition(", only ")
        group = "" if cells[1] == "core" else cells[1].strip("`")
        found |= {(group, resource, name.strip("`"), tuple(cells[3].split(", "))) for resource in resources.split(", ")}
    return found


@pytest.mark.parametrize("case", VALUE_SETS)
def test_no_rule_has_a_wildcard(case: str) -> None:
    for role in roles(VALUE_SETS[case]):
        for rule in role["rules"]:
            assert "*" not in "".join([*rule["apiGroups"], *rule["resources"], *rule["verbs"]])
            assert "nonResourceURLs" not in rule


@pytest.mark.parametrize("case", VALUE_SETS)
def test_no_rule_leads_to_other_rights(case: str) -> None:
    dangerous = {
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/ephemeralcontainers",
        "serviceaccounts/token",
        "nodes",
        "nodes/proxy",
    }
    for role in roles(VALUE_SETS[case]):
        for rule in role["rules"]:
            assert set(rule["verbs"]).isdisjoint({"escalate", "bind", "impersonate", "approve", "sign"})
            assert set(rule["resources"]).isdisjoint(dangerous)
            assert set(rule["apiGroups"]).isdisjoint({"apiextensions.k8s.io", "admissionregistration.k8s.io"})


@pytest.mark.parametrize("case", VALUE_SETS)
def test_secrets_are_named(case: str) -> None:
    for role in roles(VALUE_SETS[case]):
        for rule in role["rules"]:
            if "secrets" in rule["resources"]:
                assert rule["resourceNames"] == ["mcp-sandbox-keys"]
                assert rule["resources"] == ["secrets"]


@pytest.mark.parametrize("case", VALUE_SETS)
def test_every_binding_gives_an_existing_role_to_the_operators_account(case: str) -> None:
    manifests = render(VALUE_SETS[case])
    existing = {(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests}
    (deployment,) = of_kind(manifests, "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in of_kind(manifests, "RoleBinding") + of_kind(manifests, "ClusterRoleBinding"):
        reference = binding["roleRef"]
        assert (reference["kind"], binding["metadata"].get("namespace"), reference["name"]) in existing
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "mcp-system"}]


def test_a_namespaced_installation_has_the_same_rights_in_each_namespace() -> None:
    here = [role for role in roles({"watchNamespaces": ["a", "b"]}) if role["metadata"]["namespace"] in ("a", "b")]
    assert len(here) == 2
    for role in here:
        assert grants(role["rules"]) == grants(operator_rules())


def test_the_page_lists_exactly_what_is_granted() -> None:
    assert documented("In each namespace it serves") == grants(operator_rules())
    (lease,) = [role for role in roles() if role["metadata"]["name"] == "mcp-operator-lease"]
    assert documented("In its own namespace") == grants(lease["rules"])
    assert len(grants(operator_rules())) > 10


def test_every_group_on_the_page_is_spelled_as_a_group() -> None:
    assert all(re.fullmatch(r"[a-z0-9.]*", group) for group, *_ in documented("In each namespace it serves"))


def allows(group: str, resource: str, verb: str, name: str = "") -> bool:
    return any(g == group and r == resource and n in ("", name) and verb in verbs for g, r, n, verbs in grants(operator_rules()))


def test_every_kind_the_operator_watches_may_be_watched() -> None:
    from mcp_operator.kinds import WATCHED

    for kind in WATCHED:
        name = (kind.field_selector or "").removeprefix("metadata.name=")
        for verb in READ:
            assert allows(kind.group, kind.plural, verb, name), f"{verb} {kind.plural}"


def test_every_kind_the_operator_applies_may_be_applied_and_deleted() -> None:
    from mcp_operator.kinds import APPLIED, POD

    for kind in APPLIED:
        name = (kind.field_selector or "").removeprefix("metadata.name=")
        # A named Secret is shared by all resources of its namespace: garbage collection removes it with the last one.
        for verb in ("create", "patch") if name else ("create", "patch", "delete"):
            assert allows(kind.group, kind.plural, verb, name), f"{verb} {kind.plural}"
    assert allows("", POD.plural, "create")
    assert allows("", POD.plural, "delete")
    assert not allows("", POD.plural, "patch")


def test_the_operator_holds_what_it_grants_to_the_server_pods() -> None:
    from mcp_operator.desired.child import Owner
    from mcp_operator.desired.rbac import role
    from mcp_operator.kinds import Key

    granted = role(Owner(Key("MCPOptimizer", "team", "tools"), "uid"))["rules"]
    for group, resource, name, verbs in grants(granted):
        assert all(allows(group, resource, verb, name) for verb in verbs)
