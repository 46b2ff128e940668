"""Renders of the chart, for tests of what it contains and of what an API server says to it."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
CHART = CHECKOUT / "charts" / "mcp-operator"
RELEASE = "mcp-operator"
NAMESPACE = "mcp-system"
KUBERNETES = "1.35.0"
"""A Helm that was built without version stamps believes in 1.20."""

Values = dict[str, Any]
Manifest = dict[str, Any]

RBAC_KINDS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}

DIGEST = "sha256:" + "0f" * 32
VALUE_SETS: dict[str, Values] = {
    "defaults": {},
    "a hot standby": {"replicas": 2},
    "one namespace": {"watchNamespaces": ["team-a"]},
    "two namespaces and a standby": {"watchNamespaces": ["team-a", "team-b"], "replicas": 2},
    "no election": {"leaderElection": False},
    "images by digest": {"images": {name: {"digest": DIGEST} for name in ("operator", "server", "sandbox")}},
    "a mirror": {"imageRegistry": "mirror.example.com:5000", "imagePullSecrets": ["mirror"], "imagePullPolicy": "Always"},
    "no registry": {"images": {"operator": {"registry": "", "tag": "1"}}},
    "without CRDs": {"crds": {"enabled": False}},
    "CRDs that go with the release": {"crds": {"keep": False}},
    "rights from elsewhere": {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "given"}},
    "no user roles": {"rbac": {"userRoles": False}},
    "an annotated account": {"serviceAccount": {"name": "mine", "annotations": {"example.com/role": "a"}}},
    "a policy": {"networkPolicy": {"enabled": True}},
    "a policy for one scraper": {
        "networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}
    },
    "scheduling": {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"team": "platform"},
        "podAnnotations": {"example.com/note": "x"},
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    },
    "a name of its own": {"fullnameOverride": "op", "logLevel": "DEBUG"},
}


class HelmError(Exception):
    """Helm refused; the text is what a user reads."""


@functools.cache
def binary() -> str:
    """Path of Helm; the calling test is skipped where it can be neither found nor built. `MCP_HELM` names another one to test with."""
    if os.environ.get("MCP_HELM"):
        return os.environ["MCP_HELM"]
    done = subprocess.run([sys.executable, "-m", "devcluster", "tool", "helm"], cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"Helm cannot be built here: {done.stderr.strip()[-300:]}")
    return done.stdout.strip().splitlines()[-1]


def helm(*arguments: str, stdin: str | None = None) -> str:
    """Output of helm."""
    done = subprocess.run([binary(), *arguments], input=stdin, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode != 0:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


def render(values: Values | None = None, *, release: str = RELEASE, namespace: str = NAMESPACE) -> list[Manifest]:
    """The manifests that an installation with these values would apply."""
    return list(_render(json.dumps(values or {}), release, namespace))


@functools.cache
def _render(values: str, release: str, namespace: str) -> tuple[Manifest, ...]:
    text = helm("template", release, str(CHART), "--namespace", namespace, "--kube-version", KUBERNETES, "--values", "-", stdin=values)
    return tuple(document for document in yaml.safe_load_all(text) if document)


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]
