"""MCPServers that must not be accepted: each message names the field and says what to write instead."""

import pytest

from tests.integration.control_plane import ControlPlane
from tests.integration.crds.cases import Spec, manifest, refusal
from tests.integration.crds.test_rejected_optimizers import REJECTED as OPTIMIZERS

pytestmark = pytest.mark.integration

REMOTE: Spec = {"remote": {"url": "https://mcp.example.com/mcp"}}
IMAGE: Spec = {"image": "acme:1"}

# case -> (spec, the field that the message must name, what it must say about the fix)
REJECTED: dict[str, tuple[Spec, str, str]] = {
    "no source": ({}, "spec", "set spec.image (a container this cluster runs) or spec.remote.url"),
    "two sources": ({**IMAGE, **REMOTE}, "spec", "exactly one source is needed"),
    "a remote without URL": ({"remote": {}}, "spec.remote.url", "Required value"),
    "an unknown field": ({**IMAGE, "imagePullPolicy": "Always"}, "spec.imagePullPolicy", "unknown field"),
    "an unknown transport": ({**IMAGE, "transport": "sse"}, "spec.transport", '"streamable-http"'),
    "an empty image": ({"image": ""}, "spec.image", "write for example registry.example.com/team/tools:1.2"),
    "an image with a scheme": ({"image": "https://registry.example.com/x"}, "spec.image", "without https://"),
    "an image in capitals": ({"image": "registry.example.com/Team/x"}, "spec.image", "must be an image reference"),
    "an endless image": ({"image": "a" * 513}, "spec.image", "Too long: may not be more than 512"),
    "a URL with credentials": ({"remote": {"url": "https://u:p@mcp.example.com/"}}, "spec.remote.url", "without user name and fragment"),
    "a URL of another scheme": ({"remote": {"url": "ftp://mcp.example.com/"}}, "spec.remote.url", "must be an http or https URL"),
    "a URL without scheme": ({"remote": {"url": "mcp.example.com"}}, "spec.remote.url", "https://mcp.example.com/mcp"),
    "an endless URL": ({"remote": {"url": "https://x/" + "a" * 2048}}, "spec.remote.url", "Too long: may not be more than 2048"),
    "port with remote": ({**REMOTE, "port": 8080}, "spec.port", "a port belongs into spec.remote.url"),
    "path with remote": ({**REMOTE, "path": "/mcp"}, "spec.path", "a path belongs into spec.remote.url"),
    "command with remote": ({**REMOTE, "command": ["x"]}, "spec.command", "remove spec.command"),
    "args with remote": ({**REMOTE, "args": ["x"]}, "spec.args", "remove spec.args"),
    "env with remote": ({**REMOTE, "env": [{"name": "A", "value": "b"}]}, "spec.env", "remove spec.env"),
    "runAsUser with remote": ({**REMOTE, "runAsUser": 1}, "spec.runAsUser", "remove spec.runAsUser"),
    "resources with remote": ({**REMOTE, "resources": {}}, "spec.resources", "remove spec.resources"),
    "imagePullSecrets with remote": (
        {**REMOTE, "imagePullSecrets": [{"name": "a"}]},
        "spec.imagePullSecrets",
        "remove spec.imagePullSecrets",
    ),
    "replicas with remote": ({**REMOTE, "replicas": 2}, "spec.replicas", "remove spec.replicas"),
    "autoscaling with remote": ({**REMOTE, "autoscaling": {"enabled": True}}, "spec.autoscaling", "remove spec.autoscaling"),
    "port zero": ({**IMAGE, "port": 0}, "spec.port", "greater than or equal to 1"),
    "a port that does not exist": ({**IMAGE, "port": 65536}, "spec.port", "less than or equal to 65535"),
    "a relative path": ({**IMAGE, "path": "mcp"}, "spec.path", "write for example /mcp"),
    "a path with a query": ({**IMAGE, "path": "/mcp?x=1"}, "spec.path", "must be an absolute URL path"),
    "root": ({**IMAGE, "runAsUser": 0}, "spec.runAsUser", "greater than or equal to 1"),
    "a command as text": ({**IMAGE, "command": "node server.js"}, "spec.command", "must be of type array"),
    "too many arguments": ({**IMAGE, "args": ["x"] * 65}, "spec.args", "must have at most 64 items"),
    "an endless argument": ({**IMAGE, "args": ["x" * 4097]}, "spec.args[0]", "Too long: may not be more than 4096"),
    "a variable without value": ({**IMAGE, "env": [{"name": "A"}]}, "spec.env[0]", "exactly one of value and valueFrom"),
    "a variable with two values": (
        {**IMAGE, "env": [{"name": "A", "value": "b", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        "spec.env[0]",
        "exactly one of value and valueFrom",
    ),
    "a reference to nothing": (
        {**IMAGE, "env": [{"name": "A", "valueFrom": {}}]},
        "spec.env[0].valueFrom",
        "exactly one of secretKeyRef and configMapKeyRef",
    ),
    "a reference to two things": (
        {
            **IMAGE,
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}, "configMapKeyRef": {"name": "c", "key": "k"}}}],
        },
        "spec.env[0].valueFrom",
        "exactly one of secretKeyRef and configMapKeyRef",
    ),
    "a Secret of another namespace": (
        {**IMAGE, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other/s", "key": "k"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.name",
        "must be an object name",
    ),
    "a Secret without key": (
        {**IMAGE, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.key",
        "Required value",
    ),
    "an impossible key": (
        {**IMAGE, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a b"}}}]},
        "spec.env[0].valueFrom.secretKeyRef.key",
        "must be a key of a Secret or ConfigMap",
    ),
    "a variable twice": ({**IMAGE, "env": [{"name": "A", "value": "b"}, {"name": "A", "value": "c"}]}, "spec.env[1]", "Duplicate value"),
    "an impossible variable name": ({**IMAGE, "env": [{"name": "1A", "value": "b"}]}, "spec.env[0].name", "must be a variable name"),
    "an endless value": ({**IMAGE, "env": [{"name": "A", "value": "x" * 4097}]}, "spec.env[0].value", "Too long"),
    "no calls at all": ({**IMAGE, "resilience": {"maxConcurrent": 0}}, "spec.resilience.maxConcurrent", "greater than or equal to 1"),
    "an endless connection": (
        {**REMOTE, "resilience": {"connectSeconds": 61}},
        "spec.resilience.connectSeconds",
        "less than or equal to 60",
    ),
    "an endless wait": ({**REMOTE, "resilience": {"queueSeconds": 61}}, "spec.resilience.queueSeconds", "less than or equal to 60"),
    "a breaker that opens for nothing": (
        {**IMAGE, "resilience": {"breaker": {"consecutiveFailures": 0}}},
        "spec.resilience.breaker.consecutiveFailures",
        "greater than or equal to 1",
    ),
    "a share above the whole": (
        {**IMAGE, "resilience": {"breaker": {"failurePercent": 101}}},
        "spec.resilience.breaker.failurePercent",
        "less than or equal to 100",
    ),
    "retries of everything": (
        {**IMAGE, "resilience": {"retries": {"when": "always"}}},
        "spec.resilience.retries.when",
        '"connect-failure"',
    ),
    "an unknown protection": ({**IMAGE, "resilience": {"timeout": 5}}, "spec.resilience.timeout", "unknown field"),
    "a call without time": ({**IMAGE, "timeoutSeconds": 0}, "spec.timeoutSeconds", "greater than or equal to 1"),
}

COMMON = {"autoscaling", "resources", "imagePullSecrets", "replicas", "paused"}
REJECTED |= {f"both: {case}": ({**IMAGE, **spec}, field, fix) for case, (spec, field, fix) in OPTIMIZERS.items() if spec.keys() <= COMMON}


@pytest.mark.parametrize("case", REJECTED)
def test_a_server_is_rejected(case: str, control_plane: ControlPlane) -> None:
    spec, field, fix = REJECTED[case]
    message = refusal(control_plane, "default", manifest("MCPServer", spec))
    assert field in message
    assert fix in message


def test_a_server_without_spec_is_rejected(control_plane: ControlPlane) -> None:
    message = refusal(control_plane, "default", manifest("MCPServer", None))
    assert "spec: Required value" in message


def test_an_update_is_checked_like_a_creation(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.create(namespace, manifest("MCPServer", IMAGE))
    patched = control_plane.kubectl(
        "patch", "mcps", "case", "-n", namespace, "--type=merge", "-p", '{"spec": {"remote": {"url": "https://x"}}}', check=False
    )
    assert patched.returncode == 1
    assert "exactly one source is needed" in patched.stderr
