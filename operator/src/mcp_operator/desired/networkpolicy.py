"""The NetworkPolicies: who may talk to what. Only cluster networks that enforce policies act on them."""

from collections.abc import Sequence

from mcp_operator.kinds import NETWORK_POLICY, Manifest
from mcp_operator.settings import Settings
from mcp_optimizer_api.names import (
    COMPONENT_LABEL,
    COMPONENT_SANDBOX,
    COMPONENT_SERVER,
    JOB_PORT,
    MANAGEMENT_PORT,
    MCP_PORT,
    NAME_LABEL,
    OPTIMIZER_LABEL,
    sandbox_policy,
)
from mcp_optimizer_api.observability import MetricsPeer

from .child import Owner, child

OPERATOR_NAME = "mcp-operator"
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def server_policy(owner: Owner, settings: Settings, metrics_from: Sequence[MetricsPeer] = ()) -> Manifest:
    """Clients reach the MCP port from anywhere; the management port is for the operator, for other replicas and for who scrapes metrics."""
    admitted = [_operator(settings), {"podSelector": {"matchLabels": owner.selector}}, *(_peer(peer) for peer in metrics_from)]
    return child(
        NETWORK_POLICY,
        owner,
        spec={
            "podSelector": {"matchLabels": owner.selector},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": _tcp(MCP_PORT)},
                {"from": admitted, "ports": _tcp(MANAGEMENT_PORT)},
            ],
        },
    )


def upstream_policy(owner: Owner, port: int, settings: Settings) -> Manifest:
    """An MCPServer's Pods answer the server Pods of their namespace, and the operator that verifies them; nobody else."""
    servers = {"podSelector": {"matchLabels": {COMPONENT_LABEL: COMPONENT_SERVER}}}
    return child(
        NETWORK_POLICY,
        owner,
        spec={
            "podSelector": {"matchLabels": owner.selector},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [servers, _operator(settings)], "ports": _tcp(port)}],
        },
    )


def sandbox_isolation(owner: Owner) -> Manifest:
    """Sandboxes reach nothing, and only their own server Pods reach them. Kubelet probes come from the node, past all policies."""
    return child(
        NETWORK_POLICY,
        owner,
        name=sandbox_policy(owner.name),
        spec={
            "podSelector": {"matchLabels": {COMPONENT_LABEL: COMPONENT_SANDBOX, OPTIMIZER_LABEL: owner.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": owner.selector}}], "ports": _tcp(JOB_PORT)}],
            "egress": [],
        },
    )


def _operator(settings: Settings) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: settings.namespace}},
        "podSelector": {"matchLabels": {NAME_LABEL: OPERATOR_NAME}},
    }


def _peer(peer: MetricsPeer) -> Manifest:
    """As the API has it. An empty selector is one that selects all, so it must not get lost on the way."""
    selectors = {"namespaceSelector": peer.namespace_selector, "podSelector": peer.pod_selector}
    return {
        name: selector.model_dump(by_alias=True, exclude_defaults=True, mode="json")
        for name, selector in selectors.items()
        if selector is not None
    }


def _tcp(port: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port}]
