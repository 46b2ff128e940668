"""MCPOptimizers that must not be accepted: each message names the field and says what to write instead."""

import pytest

from tests.integration.control_plane import ControlPlane
from tests.integration.crds.cases import Spec, manifest, refusal
from tests.integration.crds.rejected_sandboxes import SANDBOXES

pytestmark = pytest.mark.integration

# case -> (spec, the field that the message must name, what it must say about the fix)
REJECTED: dict[str, tuple[Spec, str, str]] = {
    "an unknown field": ({"replica": 3}, "spec.replica", "unknown field"),
    "the autoscaler's bounds swapped": (
        {"autoscaling": {"minReplicas": 50, "maxReplicas": 5}},
        "spec.autoscaling.minReplicas",
        "lower minReplicas or raise maxReplicas",
    ),
    "a minimum above the default maximum": ({"autoscaling": {"minReplicas": 11}}, "spec.autoscaling.minReplicas", "raise maxReplicas"),
    "an autoscaler minimum of zero": ({"autoscaling": {"minReplicas": 0}}, "spec.autoscaling.minReplicas", "greater than or equal to 1"),
    "a utilisation of zero": (
        {"autoscaling": {"targets": {"cpuUtilizationPercent": 0}}},
        "spec.autoscaling.targets.cpuUtilizationPercent",
        "greater than or equal to 1",
    ),
    "autoscaling without a CPU request": (
        {"autoscaling": {"enabled": True}, "resources": {"requests": {"memory": "1Gi"}}},
        "spec.resources",
        "add resources.requests.cpu",
    ),
    "too little memory for the fast lane": (
        {"sandbox": {"fastLane": {"maxMemory": "1Mi"}}},
        "spec.sandbox.fastLane.maxMemory",
        "from 4Mi to 64Mi",
    ),
    "too much memory for the fast lane": (
        {"sandbox": {"fastLane": {"maxMemory": "65Mi"}}},
        "spec.sandbox.fastLane.maxMemory",
        "from 4Mi to 64Mi",
    ),
    "a fast lane without an end": (
        {"sandbox": {"fastLane": {"timeoutSeconds": 301}}},
        "spec.sandbox.fastLane.timeoutSeconds",
        "less than or equal to 300",
    ),
    "a fast lane without calls": (
        {"sandbox": {"fastLane": {"maxCalls": 0}}},
        "spec.sandbox.fastLane.maxCalls",
        "greater than or equal to 1",
    ),
    "negative replicas": ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    "too many replicas": ({"replicas": 1001}, "spec.replicas", "less than or equal to 1000"),
    "replicas as text": ({"replicas": "3"}, "spec.replicas", "must be of type integer"),
    "a fraction of a replica": ({"replicas": 1.5}, "spec.replicas", "must be of type integer"),
    "an unknown mode": ({"mode": "fast"}, "spec.mode", '"hybrid", "code_execution", "mcp_only"'),
    "traces to nowhere": ({"observability": {"tracing": {}}}, "spec.observability.tracing.endpoint", "Required value"),
    "traces to what is no URL": (
        {"observability": {"tracing": {"endpoint": "collector:4317"}}},
        "spec.observability.tracing.endpoint",
        "write for example http://collector:4318",
    ),
    "traces of more than all": (
        {"observability": {"tracing": {"endpoint": "http://c:4318", "samplingPercent": 101}}},
        "spec.observability.tracing.samplingPercent",
        "less than or equal to 100",
    ),
    "a scraper without a selector": (
        {"networkPolicy": {"metricsFrom": [{}]}},
        "spec.networkPolicy.metricsFrom[0]",
        "set namespaceSelector, podSelector or both",
    ),
    "scrapers where everybody may scrape": (
        {"networkPolicy": {"enabled": False, "metricsFrom": [{"podSelector": {}}]}},
        "spec.networkPolicy.metricsFrom",
        "remove it or set enabled: true",
    ),
    "an unknown way to select a scraper": (
        {"networkPolicy": {"metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
        "spec.networkPolicy.metricsFrom[0].ipBlock",
        "unknown field",
    ),
    "any web page": ({"allowedOrigins": ["*"]}, "spec.allowedOrigins[0]", "must be the origin of a web page"),
    "a web page with its path": (
        {"allowedOrigins": ["https://app.example.com/chat"]},
        "spec.allowedOrigins[0]",
        "write for example https://app.example.com",
    ),
    "51 web pages": ({"allowedOrigins": [f"https://a{n}" for n in range(51)]}, "spec.allowedOrigins", "must have at most 50 items"),
    "an authorization server without TLS": (
        {"auth": {"oauth": {"resource": "https://mcp.example.com/mcp", "authorizationServers": ["http://login.example.com"]}}},
        "spec.auth.oauth.authorizationServers[0]",
        "must be an https URL",
    ),
    "a resource with a fragment": (
        {"auth": {"oauth": {"resource": "https://mcp.example.com/mcp#x", "authorizationServers": ["https://login.example.com"]}}},
        "spec.auth.oauth.resource",
        "write for example https://login.example.com",
    ),
    "OAuth without anybody to sign in at": (
        {"auth": {"oauth": {"resource": "https://mcp.example.com/mcp", "authorizationServers": []}}},
        "spec.auth.oauth.authorizationServers",
        "should have at least 1 items",
    ),
    "two scopes in one": (
        {"auth": {"oauth": {"resource": "https://a.example/mcp", "authorizationServers": ["https://b.example"], "scopes": ["a b"]}}},
        "spec.auth.oauth.scopes[0]",
        "must be one OAuth scope",
    ),
    "recordings for ever": ({"recording": {"retentionSeconds": 86401}}, "spec.recording.retentionSeconds", "less than or equal to 86400"),
    "recordings of no size": ({"recording": {"maxBytes": 1}}, "spec.recording.maxBytes", "greater than or equal to 65536"),
    "artifacts that no replica keeps": (
        {"sandbox": {"artifacts": {"maxBytes": 33554432}}},
        "spec.sandbox.artifacts.maxBytes",
        "equal to 16777216",
    ),
    "a pinned pattern": ({"tools": {"pinned": ["github.*"]}}, "spec.tools.pinned[0]", "must name one tool as server.tool"),
    "a pinned tool without its server": (
        {"tools": {"pinned": ["create_issue"]}},
        "spec.tools.pinned[0]",
        "write for example github.create_issue",
    ),
    "a tool pinned and excluded": (
        {"tools": {"pinned": ["a.b"], "exclude": ["c.d", "a.b"]}},
        "spec.tools.pinned",
        "remove it from pinned or from exclude",
    ),
    "51 pinned tools": ({"tools": {"pinned": [f"a.b{n}" for n in range(51)]}}, "spec.tools.pinned", "must have at most 50 items"),
    "an exclusion of everything in one star": ({"tools": {"exclude": ["*"]}}, "spec.tools.exclude[0]", "where * stands for anything"),
    "an exclusion with blanks": ({"tools": {"exclude": ["a. b"]}}, "spec.tools.exclude[0]", "must name tools as server.tool"),
    "answers of no size": ({"tools": {"maxResultBytes": 100}}, "spec.tools.maxResultBytes", "greater than or equal to 1024"),
    "endless answers": ({"tools": {"maxResultBytes": 2097152}}, "spec.tools.maxResultBytes", "less than or equal to 1048576"),
    "a batch of nothing": ({"batch": {"maxItems": 0}}, "spec.batch.maxItems", "greater than or equal to 1"),
    "a client with more than all": (
        {"limits": {"maxInFlight": 10, "maxInFlightPerClient": 11}},
        "spec.limits.maxInFlightPerClient",
        "lower it or raise limits.maxInFlight",
    ),
    "no memory for a large message": ({"limits": {"messageMemory": "1Mi"}}, "spec.limits.messageMemory", "write 4Mi or more"),
    "a giant batch": ({"batch": {"maxItems": 101}}, "spec.batch.maxItems", "less than or equal to 100"),
    "no hits at all": ({"search": {"limit": 0}}, "spec.search.limit", "greater than or equal to 1"),
    "a synonym of nothing": ({"search": {"synonyms": [["ticket"]]}}, "spec.search.synonyms[0]", "at least 2 items"),
    "a synonym without a letter": (
        {"search": {"synonyms": [["ticket", " - "]]}},
        "spec.search.synonyms[0][1]",
        "must be a word or a phrase",
    ),
    "more synonyms than anybody reads": (
        {"search": {"synonyms": [["a1", "b1"]] * 101}},
        "spec.search.synonyms",
        "at most 100 items",
    ),
    "an embedding model without a name": (
        {"search": {"embedding": {"url": "https://api.example.com/v1/embeddings"}}},
        "spec.search.embedding.model",
        "write api: tei",
    ),
    "a model for a server that has one": (
        {"search": {"embedding": {"url": "http://tei.models.svc/embed", "api": "tei", "model": "m"}}},
        "spec.search.embedding.model",
        "remove model",
    ),
    "an embedding endpoint without an address": ({"search": {"embedding": {"model": "m"}}}, "spec.search.embedding.url", "Required"),
    "an embedding endpoint with credentials in its address": (
        {"search": {"embedding": {"url": "https://me:secret@example.com/v1", "model": "m"}}},
        "spec.search.embedding.url",
        "without user name",
    ),
    "an embedding endpoint of another kind": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "api": "cohere"}}},
        "spec.search.embedding.api",
        '"openai", "tei"',
    ),
    "an embedding model's empty name": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": ""}}},
        "spec.search.embedding.model",
        "at least 1 chars",
    ),
    "a query that waits too long": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "timeoutMilliseconds": 5001}}},
        "spec.search.embedding.timeoutMilliseconds",
        "less than or equal to 5000",
    ),
    "a query that waits for nothing": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "timeoutMilliseconds": 1}}},
        "spec.search.embedding.timeoutMilliseconds",
        "greater than or equal to 10",
    ),
    "a Secret's entry that is a path": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "secretRef": {"name": "s", "key": "../x"}}}},
        "spec.search.embedding.secretRef.key",
        "name of an entry of a Secret",
    ),
    "a Secret without a name": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "secretRef": {"key": "k"}}}},
        "spec.search.embedding.secretRef.name",
        "Required",
    ),
    "a Secret's name in capitals": (
        {"search": {"embedding": {"url": "https://a.example/v1", "model": "m", "secretRef": {"name": "Key"}}}},
        "spec.search.embedding.secretRef.name",
        "lower-case letters",
    ),
    "a share larger than the whole": (
        {"limits": {"maxInFlight": 5, "maxInFlightPerClient": 6}},
        "spec.limits.maxInFlightPerClient",
        "raise limits.maxInFlight",
    ),
    "no memory for messages": ({"limits": {"messageMemory": "1Mi"}}, "spec.limits.messageMemory", "write 4Mi or more"),
    "memory in words": ({"limits": {"messageMemory": "much"}}, "spec.limits.messageMemory", "must be a Kubernetes quantity"),
    "no places": ({"limits": {"maxInFlight": 0}}, "spec.limits.maxInFlight", "greater than or equal to 1"),
    "a request without bound": ({"limits": {"maxRequestBytes": 16777217}}, "spec.limits.maxRequestBytes", "less than or equal to 16777216"),
    "a reply without room": ({"limits": {"maxReplyBytes": 65535}}, "spec.limits.maxReplyBytes", "greater than or equal to 65536"),
    "a negative queue": ({"limits": {"queue": {"max": -1}}}, "spec.limits.queue.max", "greater than or equal to 0"),
    "a queue without end": ({"limits": {"queue": {"seconds": 61}}}, "spec.limits.queue.seconds", "less than or equal to 60"),
    "an unknown limit": ({"limits": {"rps": 5}}, "spec.limits.rps", "unknown field"),
    "a bad quantity": ({"resources": {"requests": {"cpu": "abc"}}}, "spec.resources.requests.cpu", "500m or 2 (CPU)"),
    "a negative quantity": ({"resources": {"limits": {"memory": -1}}}, "spec.resources.limits.memory", "128Mi or 1Gi (memory)"),
    "a fraction that is not quoted": (
        {"resources": {"limits": {"cpu": 0.5}}},
        "spec.resources.limits.cpu",
        "must be of type integer,string",
    ),
    "an endless quantity": ({"resources": {"limits": {"cpu": "1" * 21}}}, "spec.resources.limits.cpu", "Too long"),
    "a CPU request above its limit": (
        {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}},
        "spec.resources.requests.cpu",
        "lower the request or raise the limit",
    ),
    "a memory request above its limit": (
        {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}},
        "spec.resources.requests.memory",
        "lower the request or raise the limit",
    ),
    "a wrong label key": (
        {"servers": {"selector": {"matchLabels": {"a b": "c"}}}},
        "spec.servers.selector.matchLabels",
        "write for example team",
    ),
    "a wrong label value": (
        {"servers": {"selector": {"matchLabels": {"a": "b c"}}}},
        "spec.servers.selector.matchLabels",
        "must be a label value",
    ),
    "In without values": (
        {"servers": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}},
        "spec.servers.selector.matchExpressions[0].values",
        "must be given for the operators In and NotIn",
    ),
    "Exists with values": (
        {"servers": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}},
        "spec.servers.selector.matchExpressions[0].values",
        "must be absent for Exists and DoesNotExist",
    ),
    "a requirement with a wrong key": (
        {"servers": {"selector": {"matchExpressions": [{"key": "a/b/c", "operator": "Exists"}]}}},
        "spec.servers.selector.matchExpressions[0].key",
        "must be a label key",
    ),
    "an unknown operator": (
        {"servers": {"selector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}},
        "spec.servers.selector.matchExpressions[0].operator",
        '"In", "NotIn", "Exists", "DoesNotExist"',
    ),
    "a pull secret without a name": ({"imagePullSecrets": [{}]}, "spec.imagePullSecrets[0].name", "Required value"),
    "eleven pull secrets": ({"imagePullSecrets": [{"name": "a"}] * 11}, "spec.imagePullSecrets", "must have at most 10 items"),
    "a switch as text": ({"paused": "yes"}, "spec.paused", "must be of type boolean"),
}
REJECTED |= SANDBOXES
NAMES = {
    "a name that begins with a digit": "1st",
    "a name with a dot": "a.b",
    "a name that is too long": "a" * 64,
}


@pytest.mark.parametrize("case", REJECTED)
def test_an_optimizer_is_rejected(case: str, control_plane: ControlPlane) -> None:
    spec, field, fix = REJECTED[case]
    message = refusal(control_plane, "default", manifest("MCPOptimizer", spec))
    assert field in message
    assert fix in message


@pytest.mark.parametrize("kind", ["MCPOptimizer", "MCPServer"])
@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_no_service_could_have_is_rejected(case: str, kind: str, control_plane: ControlPlane) -> None:
    message = refusal(control_plane, "default", manifest(kind, {"image": "nginx"} if kind == "MCPServer" else {}, NAMES[case]))
    assert "metadata.name must be a DNS label" in message
    assert "at most 63 lower-case letters" in message


def test_the_longest_name_is_accepted(control_plane: ControlPlane) -> None:
    assert control_plane.create("default", manifest("MCPOptimizer", {}, "a" * 63), dry_run=True)
