"""The HorizontalPodAutoscaler: once it exists, it alone says how many Pods there are."""

from mcp_operator.kinds import DEPLOYMENT, HPA, Manifest
from mcp_optimizer_api.pods import Autoscaling

from .child import Owner, child


def hpa(owner: Owner, autoscaling: Autoscaling) -> Manifest:
    """Scales the owner's Deployment on CPU."""
    cpu = {"type": "Utilization", "averageUtilization": autoscaling.targets.cpu_utilization_percent}
    return child(
        HPA,
        owner,
        spec={
            "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": owner.child_name},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
        },
    )
