"""Who the server Pods are on the API server, and the little they may do there: read their own config and see Pods."""

from mcp_operator.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Manifest
from mcp_optimizer_api.names import optimizer_config_map

from .child import Owner, child


def service_account(owner: Owner) -> Manifest:
    """The identity of the server Pods."""
    return child(SERVICE_ACCOUNT, owner, automountServiceAccountToken=False)


def role(owner: Owner) -> Manifest:
    """Read-only. Watching Pods cannot be limited to some by name; no verb here changes anything."""
    return child(
        ROLE,
        owner,
        rules=[
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [optimizer_config_map(owner.name)],
                "verbs": ["get", "list", "watch"],
            },
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        ],
    )


def role_binding(owner: Owner) -> Manifest:
    """Gives the Role to the ServiceAccount."""
    return child(
        ROLE_BINDING,
        owner,
        roleRef={"apiGroup": ROLE.group, "kind": ROLE.kind, "name": owner.child_name},
        subjects=[{"kind": SERVICE_ACCOUNT.kind, "name": owner.child_name, "namespace": owner.namespace}],
    )
