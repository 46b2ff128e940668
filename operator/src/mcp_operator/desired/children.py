"""All children of a custom resource, in the order in which they are applied. Pure: no clock, no I/O, no memory."""

from collections.abc import Iterable

from mcp_operator.kinds import Manifest
from mcp_operator.settings import Settings
from mcp_optimizer_api.config import UpstreamConfig
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec

from .child import Owner
from .configmap import config_map, render_config
from .deployment import optimizer_deployment, server_deployment
from .grace import grace_seconds
from .hpa import hpa
from .networkpolicy import sandbox_isolation, server_policy, upstream_policy
from .pdb import pdb
from .rbac import role, role_binding, service_account
from .service import service


def optimizer_children(
    owner: Owner, spec: MCPOptimizerSpec, upstreams: Iterable[UpstreamConfig], settings: Settings, *, account_uid: str
) -> list[Manifest]:
    """Everything around the server Pods; the sandbox Pods and their keys have a life of their own (pool.py, sandbox_keys.py).

    `account_uid` is the UID of the server Pods' live ServiceAccount, which therefore has to be applied first.
    """
    config = render_config(owner, spec, upstreams)
    children = [
        service_account(owner),
        role(owner),
        role_binding(owner),
        config_map(owner, config),
        sandbox_isolation(owner),
    ]
    if spec.network_policy.enabled:
        children.append(server_policy(owner, settings, spec.network_policy.metrics_from))
    children += [service(owner, sticky=False), pdb(owner)]
    if spec.autoscaling.enabled:
        children.append(hpa(owner, spec.autoscaling))
    children.append(optimizer_deployment(owner, spec, settings, account_uid, grace_seconds(config)))
    return children


def server_children(owner: Owner, spec: MCPServerSpec, settings: Settings) -> list[Manifest]:
    """What runs an image; a remote server needs nothing."""
    if spec.image is None:
        return []
    children = [upstream_policy(owner, spec.port, settings), service(owner, sticky=True)]
    if spec.autoscaling.enabled:
        children.append(hpa(owner, spec.autoscaling))
    children.append(server_deployment(owner, spec))
    return children
