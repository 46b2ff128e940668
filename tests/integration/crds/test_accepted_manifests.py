"""Manifests that must work, and what the API server fills in."""

import pytest

from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec
from tests.integration.control_plane import ControlPlane
from tests.integration.crds.cases import Spec, manifest

pytestmark = pytest.mark.integration

OPTIMIZERS: dict[str, Spec | None] = {
    "without spec": None,
    "with an empty spec": {},
    "scaled to zero": {"replicas": 0},
    "sandboxes off, whatever the minimum": {"sandbox": {"pool": {"max": 0}}},
    "sandboxes off, said twice": {"sandbox": {"pool": {"min": 0, "max": 0}}},
    "code where nothing enforces policies": {"sandbox": {"allowUnenforcedEgress": True}},
    "no policy around the server": {"networkPolicy": {"enabled": False}},
    "sessions off": {"sandbox": {"sessions": {"maxSessions": 0}}},
    "sessions off, with a bound for each client": {"sandbox": {"sessions": {"maxSessions": 0, "maxSessionsPerClient": 1}}},
    "sessions that live as long as a job may run": {"sandbox": {"timeoutSeconds": 3600, "sessions": {"idleSeconds": 10, "maxSeconds": 10}}},
    "a pool of one size": {"sandbox": {"pool": {"min": 20, "max": 20}}},
    "one autoscaling bound": {"autoscaling": {"enabled": True, "minReplicas": 10}},
    "CPU as a number": {"resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "1500m"}}},
    "a request equal to its limit in other units": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1024Mi"}}},
    "autoscaling on a CPU limit only": {"autoscaling": {"enabled": True}, "resources": {"limits": {"cpu": 1}}},
    "a selector of both kinds": {
        "servers": {
            "selector": {
                "matchLabels": {"team": "a", "example.com/tier": ""},
                "matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["dev"]}, {"key": "mcp", "operator": "Exists"}],
            }
        }
    },
    "every mode": {"mode": "code_execution"},
    "web pages that may speak to the endpoint": {"allowedOrigins": ["https://app.example.com", "http://localhost:6274"]},
    "warm Pods that cost little": {"sandbox": {"resources": {"cpu": "50m", "requests": {"cpu": "10m", "memory": "32Mi"}}}},
    "recorded jobs": {"recording": {"enabled": True, "retentionSeconds": 86400, "maxBytes": 134217728}},
    "a fast lane": {"sandbox": {"fastLane": {"enabled": True, "timeoutSeconds": 300, "maxMemory": "64Mi", "maxCalls": 1}}},
    "no files of jobs": {"sandbox": {"artifacts": {"maxCount": 0}}},
    "sandboxes on nodes of their own": {
        "sandbox": {
            "priorityClassName": "sandboxes",
            "nodeSelector": {"example.com/pool": "untrusted"},
            "tolerations": [
                {"key": "untrusted", "value": "true", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
                {"operator": "Exists"},
            ],
        }
    },
    "the fastest refill": {"sandbox": {"pool": {"refillPerSecond": 200}}},
    "where OAuth clients sign in": {
        "auth": {
            "oauth": {
                "resource": "https://mcp.example.com/team/mcp",
                "authorizationServers": ["https://login.example.com/realms/a"],
                "scopes": ["mcp:tools"],
            }
        }
    },
    "as many pages as there may be": {"allowedOrigins": [f"https://{'a' * 200}{n}.example.com:65535" for n in range(50)]},
    "pinned and excluded tools": {
        "tools": {
            "pinned": ["github.create_issue", "a.B/c-d.e"],
            "exclude": ["github.delete_*", "slack.*", "*.drop*", "a.b"],
            "maxResultBytes": 1024,
        }
    },
    "the longest lists of tools": {
        "tools": {"pinned": [f"a.{n:0254}" for n in range(50)], "exclude": [f"*.{n:0254}" for n in range(200)]},
        "batch": {"maxItems": 100},
    },
    "synonyms of words and phrases": {"search": {"synonyms": [["ticket", "support case", "Vorgang"], ["GmbH & Co. KG", "company"]]}},
    "tracing": {"observability": {"tracing": {"endpoint": "http://collector.monitoring:4318", "samplingPercent": 0.5}}},
    "tracing with its default share": {"observability": {"tracing": {"endpoint": "https://otlp.example.com/path"}}},
    "limits at their lower bounds": {
        "limits": {
            "maxRequestBytes": 4096,
            "maxReplyBytes": 65536,
            "maxInFlight": 1,
            "maxInFlightPerClient": 1,
            "maxStreams": 0,
            "queue": {"max": 0, "seconds": 1},
            "slowClientSeconds": 1,
            "messageMemory": "4Mi",
        }
    },
    "limits at their upper bounds": {
        "limits": {"maxRequestBytes": 16777216, "maxReplyBytes": 67108864, "maxInFlight": 100000, "queue": {"max": 100000, "seconds": 60}}
    },
    "who may scrape metrics": {
        "networkPolicy": {
            "metricsFrom": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}, "podSelector": {}},
                {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["prometheus"]}]}},
            ]
        }
    },
    "an embedding model of a public service": {
        "search": {
            "embedding": {
                "url": "https://api.example.com/v1/embeddings",
                "model": "text-embedding-3-small",
                "secretRef": {"name": "embedding", "key": "api.key_1"},
                "timeoutMilliseconds": 300,
            }
        }
    },
    "an embedding model of one's own": {"search": {"embedding": {"url": "http://tei.models.svc:8080/embed", "api": "tei"}}},
    "gVisor": {"sandbox": {"runtimeClassName": "gvisor", "image": "registry.example.com:5000/team/sandbox:1.2"}},
    "every upper bound": {"replicas": 1000, "search": {"limit": 50}, "sandbox": {"timeoutSeconds": 3600, "pool": {"max": 1000}}},
}
SERVERS: dict[str, Spec] = {
    "an image": {"image": "nginx"},
    "an image by digest": {"image": "localhost:5000/tools/acme:1@sha256:" + "0f" * 32},
    "a remote": {"remote": {"url": "https://mcp.example.com/mcp"}},
    "a remote with port, path and query": {"remote": {"url": "http://10.0.0.1:8080/a/b?tenant=x"}},
    "a remote that may cause little trouble": {
        "remote": {"url": "https://mcp.example.com"},
        "resilience": {
            "connectSeconds": 1,
            "maxConcurrent": 1,
            "queueSeconds": 0,
            "breaker": {"consecutiveFailures": 1, "failurePercent": 1, "openSeconds": 600},
            "retries": {"when": "never", "budgetPercent": 100},
        },
    },
    "an image whose breaker is off": {
        "image": "acme:1",
        "resilience": {"breaker": {"enabled": False}, "retries": {"when": "connect-failure"}},
    },
    "a remote with its timeout": {"remote": {"url": "http://mcp.example.com"}, "timeoutSeconds": 5, "paused": True},
    "a remote with the replicas a default filled in": {"remote": {"url": "http://mcp.example.com"}, "replicas": 1},
    "everything an image can have": {
        "image": "acme:1",
        "port": 3000,
        "path": "/v1/mcp",
        "command": ["node"],
        "args": ["server.js", ""],
        "env": [
            {"name": "LEVEL", "value": ""},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}},
            {"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "region"}}},
        ],
        "runAsUser": 1000,
        "resources": {"requests": {"cpu": "100m"}},
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 2,
        "autoscaling": {"enabled": True, "maxReplicas": 3},
    },
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_an_optimizer_is_accepted(case: str, control_plane: ControlPlane) -> None:
    made = control_plane.create("default", manifest("MCPOptimizer", OPTIMIZERS[case]), dry_run=True)
    assert MCPOptimizerSpec.model_validate(made["spec"])


@pytest.mark.parametrize("case", SERVERS)
def test_a_server_is_accepted(case: str, control_plane: ControlPlane) -> None:
    made = control_plane.create("default", manifest("MCPServer", SERVERS[case]), dry_run=True)
    assert MCPServerSpec.model_validate(made["spec"])


def test_the_production_cluster_manifest_works_unchanged_and_is_defaulted(control_plane: ControlPlane, namespace: str) -> None:
    text = """
apiVersion: mcp.optimizer.dev/v1
kind: MCPOptimizer
metadata: {name: production-cluster}
spec:
  replicas: 10
  autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 50}
"""
    control_plane.kubectl("apply", "--validate=strict", "-n", namespace, "-f", "-", stdin=text)
    stored = control_plane.get(namespace, "MCPOptimizer", "production-cluster")["spec"]
    assert stored["replicas"] == 10
    assert stored["autoscaling"] == {"enabled": True, "minReplicas": 5, "maxReplicas": 50, "targets": {"cpuUtilizationPercent": 70}}
    assert stored["mode"] == "hybrid"
    assert stored["sandbox"]["pool"] == {"min": 2, "max": 20, "refillPerSecond": 20}
    assert stored["networkPolicy"] == {"enabled": True}


def test_what_the_api_server_fills_in_is_what_the_models_say(control_plane: ControlPlane) -> None:
    optimizer = control_plane.create("default", manifest("MCPOptimizer", None), dry_run=True)["spec"]
    assert MCPOptimizerSpec.model_validate(optimizer) == MCPOptimizerSpec()
    server = control_plane.create("default", manifest("MCPServer", {"image": "nginx"}), dry_run=True)["spec"]
    assert MCPServerSpec.model_validate(server) == MCPServerSpec(image="nginx")


def test_a_remote_gets_no_default_that_describes_pods(control_plane: ControlPlane) -> None:
    made = control_plane.create("default", manifest("MCPServer", {"remote": {"url": "https://mcp.example.com"}}), dry_run=True)["spec"]
    assert made.keys() == {"remote", "transport", "replicas", "timeoutSeconds", "resilience", "paused"}
