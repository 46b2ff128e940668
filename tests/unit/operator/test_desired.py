"""The manifests: what holds for every child of every resource, and what single ones must say."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.objects import SETTINGS

from mcp_operator.desired.child import Owner
from mcp_operator.desired.children import optimizer_children, server_children
from mcp_operator.desired.configmap import render_config, upstream
from mcp_operator.desired.deployment import initial_replicas
from mcp_operator.kinds import BY_NAME, Key, Manifest, key_of
from mcp_optimizer_api.config import ServerConfig, UpstreamConfig
from mcp_optimizer_api.names import CONFIG_KEY
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.pods import Autoscaling
from mcp_optimizer_api.server import MCPServerSpec

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
AUTOSCALING = st.builds(Autoscaling, enabled=st.booleans(), min_replicas=st.integers(1, 5), max_replicas=st.integers(5, 9))
UPSTREAMS = st.lists(st.builds(UpstreamConfig, name=NAMES, url=st.just("http://x.invalid/mcp")), max_size=4, unique_by=lambda u: u.name)


def owner(kind: str, name: str = "x") -> Owner:
    return Owner(Key(kind, "ns", name), f"uid-of-{name}")


def of_server(name: str = "x", **spec: Any) -> list[Manifest]:
    parsed = MCPServerSpec.model_validate({"image": "example/server:1", **spec})
    return server_children(owner("MCPServer", name), parsed, SETTINGS)


def of_optimizer(name: str = "x", upstreams: list[UpstreamConfig] | None = None, **spec: Any) -> list[Manifest]:
    return optimizer_children(
        owner("MCPOptimizer", name), MCPOptimizerSpec.model_validate(spec), upstreams or [], SETTINGS, account_uid="an-account"
    )


def one(children: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = [child for child in children if child["kind"] == kind and name in (None, child["metadata"]["name"])]
    return found


@st.composite
def families(draw: st.DrawFn) -> list[Manifest]:
    name, autoscaling, replicas = draw(NAMES), draw(AUTOSCALING), draw(st.integers(0, 9))
    if draw(st.booleans()):
        return of_server(name, autoscaling=autoscaling, replicas=replicas, port=draw(st.integers(1, 65535)))
    return of_optimizer(name, draw(UPSTREAMS), autoscaling=autoscaling, replicas=replicas)


@settings(max_examples=150, deadline=None)
@given(families())
def test_every_child_is_named_labelled_and_owned(children: list[Manifest]) -> None:
    assert len({key_of(child) for child in children}) == len(children)
    for child in children:
        metadata = child["metadata"]
        assert len(metadata["name"]) <= 63
        assert child["kind"] in BY_NAME and child["apiVersion"] == BY_NAME[child["kind"]].api_version
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "mcp-operator"
        assert all(len(value) <= 63 for value in metadata["labels"].values())
        (reference,) = metadata["ownerReferences"]
        assert reference["controller"] is True and reference["uid"].startswith("uid-of-")
        json.dumps(child)


@settings(max_examples=150, deadline=None)
@given(families())
def test_every_selector_selects_the_pods_of_its_own_deployment(children: list[Manifest]) -> None:
    deployment = one(children, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert one(children, "Service")["spec"]["selector"].items() <= labels.items()
    for budget in (child for child in children if child["kind"] == "PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


@settings(max_examples=100, deadline=None)
@given(families())
def test_replicas_belong_to_exactly_one_owner(children: list[Manifest]) -> None:
    scaled = any(child["kind"] == "HorizontalPodAutoscaler" for child in children)
    assert ("replicas" in one(children, "Deployment")["spec"]) is not scaled


@settings(max_examples=100, deadline=None)
@given(families())
def test_every_pod_is_restricted(children: list[Manifest]) -> None:
    pod = one(children, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_config_is_the_same_whatever_order_the_servers_come_in(names: list[str]) -> None:
    spec = MCPOptimizerSpec()
    found = render_config(owner("MCPOptimizer"), spec, [UpstreamConfig(name=name, url=f"http://{name}.invalid/") for name in names])
    assert [upstream.name for upstream in found.upstreams] == ["a", "b", "c", "d"]


def test_a_config_change_changes_nothing_but_the_config_map() -> None:
    before = of_optimizer()
    after = of_optimizer(upstreams=[UpstreamConfig(name="a", url="http://a.invalid/")], mode="mcp_only", search={"limit": 3})
    changed = [old["kind"] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["ConfigMap"]


def test_a_thousand_servers_fit_into_one_config_map() -> None:
    upstreams = [
        UpstreamConfig(name=f"server-{number:050}", url=f"https://host-{number}.example.com/{'p' * 150}") for number in range(1000)
    ]
    document = one(of_optimizer(upstreams=upstreams), "ConfigMap")["data"][CONFIG_KEY]
    assert len(document) < 1024 * 1024
    assert len(ServerConfig.model_validate_json(document).upstreams) == 1000


def test_the_config_names_the_web_pages_that_may_speak() -> None:
    spec = MCPOptimizerSpec.model_validate({"allowedOrigins": ["https://app.example.com"]})
    assert render_config(owner("MCPOptimizer"), spec, []).allowed_origins == ["https://app.example.com"]
    assert render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), []).allowed_origins == []


def test_the_config_tells_where_oauth_clients_sign_in_only_when_the_spec_does() -> None:
    oauth = {"resource": "https://mcp.example.com/mcp", "authorizationServers": ["https://login.example.com"], "scopes": ["mcp:tools"]}
    rendered = render_config(owner("MCPOptimizer"), MCPOptimizerSpec.model_validate({"auth": {"oauth": oauth}}), [])
    assert rendered.oauth is not None and json.loads(rendered.oauth.to_json()) == oauth
    assert render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), []).oauth is None


def test_the_config_carries_the_synonyms_of_the_catalogue() -> None:
    document = one(of_optimizer(search={"synonyms": [["ticket", "Vorgang"]]}), "ConfigMap")["data"][CONFIG_KEY]
    assert ServerConfig.model_validate_json(document).search_synonyms == [["ticket", "Vorgang"]]


EMBEDDING = {"url": "https://a.example/v1/embeddings", "model": "m", "secretRef": {"name": "embedding"}, "timeoutMilliseconds": 90}


def test_an_embedding_key_is_mounted_as_one_entry_and_never_part_of_the_config() -> None:
    children = of_optimizer(search={"embedding": EMBEDDING})
    pod = one(children, "Deployment")["spec"]["template"]["spec"]
    volume = next(volume["secret"] for volume in pod["volumes"] if volume["name"] == "embedding-key")
    assert (volume["secretName"], volume["items"], volume["optional"]) == ("embedding", [{"key": "apiKey", "path": "key"}], True)
    mount = next(mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "embedding-key")
    variable = next(variable for variable in pod["containers"][0]["env"] if variable["name"] == "MCP_EMBEDDING_KEY_FILE")
    assert mount["readOnly"] and variable["value"] == f"{mount['mountPath']}/key"
    document = json.loads(one(children, "ConfigMap")["data"][CONFIG_KEY])
    assert document["searchEmbedding"] == {"url": EMBEDDING["url"], "model": "m", "api": "openai", "timeoutMilliseconds": 90}
    assert not any("secrets" in rule["resources"] for rule in one(children, "Role")["rules"])


def test_an_embedding_endpoint_without_a_key_restarts_no_pod() -> None:
    before, after = of_optimizer(), of_optimizer(search={"embedding": {"url": "http://tei.svc/embed", "api": "tei"}})
    assert [old["kind"] for old, new in zip(before, after, strict=True) if old != new] == ["ConfigMap"]


def test_the_config_says_where_each_server_is() -> None:
    image = MCPServerSpec.model_validate({"image": "i:1", "path": "/tools/mcp", "timeoutSeconds": 7})
    remote = MCPServerSpec.model_validate({"remote": {"url": "https://example.com/mcp"}})
    assert upstream(owner("MCPServer", "a"), image) == UpstreamConfig(name="a", url="http://a-mcp.ns.svc/tools/mcp", timeout_seconds=7)
    assert upstream(owner("MCPServer", "b"), remote).url == "https://example.com/mcp"


@pytest.mark.parametrize(("limit", "bytes_"), [("512Mi", 512 * 2**20), ("1G", 10**9), ("1.5Ki", 1536)])
def test_the_config_carries_the_sandbox_limits_as_numbers(limit: str, bytes_: int) -> None:
    spec = MCPOptimizerSpec.model_validate({"sandbox": {"resources": {"memory": limit}, "maxProcesses": 9}})
    found = render_config(owner("MCPOptimizer"), spec, []).sandbox
    assert (found.enabled, found.memory_bytes, found.max_processes) == (True, bytes_, 9)


@pytest.mark.parametrize(("sandbox", "same"), [({}, True), ({"image": "registry.example.com/own:1"}, False)])
def test_the_config_says_whether_sandboxes_have_the_servers_python(sandbox: dict[str, Any], same: bool) -> None:
    assert render_config(owner("MCPOptimizer"), MCPOptimizerSpec.model_validate({"sandbox": sandbox}), []).sandbox.same_python is same


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"sandbox": {"pool": {"min": 0, "max": 0}}}, "pool.max"),
        ({"sandbox": {"pool": {"min": 0, "max": 3}}}, "pool.min"),
        ({"mode": "mcp_only"}, "mcp_only"),
    ],
)
def test_a_switched_off_sandbox_says_why(spec: dict[str, Any], text: str) -> None:
    found = render_config(owner("MCPOptimizer"), MCPOptimizerSpec.model_validate(spec), []).sandbox
    assert not found.enabled and text in str(found.disabled_reason)


@pytest.mark.parametrize(
    ("replicas", "low", "high", "expected"),
    [(10, 5, 50, 10), (1, 5, 50, 5), (90, 5, 50, 50), (0, 1, 2, 1)],
)
def test_the_initial_replicas_lie_within_the_autoscalers_bounds(replicas: int, low: int, high: int, expected: int) -> None:
    assert initial_replicas(replicas, Autoscaling(enabled=True, min_replicas=low, max_replicas=high)) == expected
    assert initial_replicas(replicas, Autoscaling(min_replicas=low, max_replicas=high)) == replicas


def test_a_sandbox_reaches_nothing_and_only_its_server_reaches_it() -> None:
    spec = one(of_optimizer(networkPolicy={"enabled": False}), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"] and spec["egress"] == []
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8765}]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"mcp.optimizer.dev/component": "server", "mcp.optimizer.dev/optimizer": "x"}}}]


def test_the_management_port_is_for_the_operator_and_the_other_replicas() -> None:
    rules = one(of_optimizer(), "NetworkPolicy", "x-optimizer")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in rules] == [8080, 8081]
    assert "from" not in rules[0]
    assert rules[1]["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "mcp-system"}
    replicas = {"mcp.optimizer.dev/component": "server", "mcp.optimizer.dev/optimizer": "x"}
    assert rules[1]["from"][1:] == [{"podSelector": {"matchLabels": replicas}}]


def test_traces_go_where_the_resource_says_and_nowhere_else() -> None:
    assert render_config(owner("MCPOptimizer"), MCPOptimizerSpec(), []).tracing is None
    spec = MCPOptimizerSpec.model_validate({"observability": {"tracing": {"endpoint": "http://c:4318", "samplingPercent": 0.5}}})
    found = render_config(owner("MCPOptimizer"), spec, []).tracing
    assert found is not None and (found.endpoint, found.sampling_percent) == ("http://c:4318", 0.5)


def test_metrics_are_also_for_whom_the_resource_names() -> None:
    prometheus = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": {"app": "p"}},
    }
    by_expression = {"podSelector": {"matchExpressions": [{"key": "scrapes", "operator": "Exists"}]}}
    peers = [prometheus, {"namespaceSelector": {}}, by_expression]
    rules = one(of_optimizer(networkPolicy={"metricsFrom": peers}), "NetworkPolicy", "x-optimizer")["spec"]["ingress"]
    assert rules[1]["from"][2:] == peers
    assert rules[1]["ports"] == [{"protocol": "TCP", "port": 8081}]


def test_the_server_may_only_read() -> None:
    rules = one(of_optimizer(), "Role")["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {resource for rule in rules for resource in rule["resources"]} == {"configmaps", "pods"}
    assert rules[0]["resourceNames"] == ["x-optimizer-config"]


def test_a_rollout_never_takes_a_pod_before_its_replacement_is_ready() -> None:
    for children in (of_server(), of_optimizer()):
        spec = one(children, "Deployment")["spec"]
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        container = spec["template"]["spec"]["containers"][0]
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] < spec["template"]["spec"]["terminationGracePeriodSeconds"]


def test_somebody_elses_image_gets_no_token_and_what_the_spec_says() -> None:
    pod = one(
        of_server(
            port=3001,
            command=["run"],
            args=["--http"],
            env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            runAsUser=1001,
            imagePullSecrets=[{"name": "pull"}],
            resources={"requests": {"cpu": "10m"}},
        ),
        "Deployment",
    )["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod
    assert (pod["securityContext"]["runAsUser"], pod["imagePullSecrets"]) == (1001, [{"name": "pull"}])
    assert (container["command"], container["args"]) == (["run"], ["--http"])
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert container["resources"] == {"requests": {"cpu": "10m"}}
    assert container["ports"][0]["containerPort"] == container["readinessProbe"]["tcpSocket"]["port"] == 3001


def test_a_remote_server_needs_nothing_in_the_cluster() -> None:
    spec = MCPServerSpec.model_validate({"remote": {"url": "https://example.com/mcp"}})
    assert server_children(owner("MCPServer"), spec, SETTINGS) == []


def test_a_session_of_a_stateful_upstream_stays_with_its_pod() -> None:
    assert one(of_server(), "Service")["spec"]["sessionAffinity"] == "ClientIP"
    assert one(of_optimizer(), "Service")["spec"]["sessionAffinity"] == "None"


def test_the_server_mounts_its_own_pool_key_and_no_other() -> None:
    pod = one(of_optimizer("mine"), "Deployment")["spec"]["template"]["spec"]
    (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["items"] == [{"key": "mine", "path": "key"}]
    assert not any("secretKeyRef" in str(variable) for variable in pod["containers"][0]["env"])


def test_server_pods_are_replaced_when_their_account_was_made_again_because_its_tokens_died_with_it() -> None:
    spec, of = MCPOptimizerSpec(), owner("MCPOptimizer")
    before, after = (one(optimizer_children(of, spec, [], SETTINGS, account_uid=uid), "Deployment") for uid in ("first", "second"))
    assert before["spec"]["template"] != after["spec"]["template"]
    assert before["spec"]["selector"] == after["spec"]["selector"]
