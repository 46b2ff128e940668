"""The example manifests are what the API accepts, and name images that are built here."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.images.catalogue import IMAGES

from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.server import MCPServerSpec

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples"
MODELS = {"MCPOptimizer": MCPOptimizerSpec, "MCPServer": MCPServerSpec}


def documents() -> list[Any]:
    """Every document of every manifest, named after its file."""
    return [
        pytest.param(document, id=f"{path.stem}-{document['kind']}")
        for path in sorted(EXAMPLES.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def images(node: Any) -> list[str]:
    """Values of all `image` fields."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key == "image" and isinstance(value, str)]
        return own + [found for value in node.values() for found in images(value)]
    return [found for item in node for found in images(item)] if isinstance(node, list) else []


@pytest.mark.parametrize("document", documents())
def test_every_field_of_a_resource_is_one_the_api_knows(document: dict[str, Any]) -> None:
    if document["kind"] in MODELS:
        model = MODELS[document["kind"]].model_validate(document["spec"])
        assert model.model_dump(by_alias=True, exclude_unset=True, mode="json") == document["spec"]


@pytest.mark.parametrize("document", documents())
def test_images_are_written_so_that_the_demonstration_can_replace_them(document: dict[str, Any]) -> None:
    assert set(images(document)) <= {f"localhost/{image.name}:dev" for image in IMAGES}


def test_the_manifest_that_users_already_have_is_kept_to_the_letter() -> None:
    lines = (EXAMPLES / "production-cluster.yaml").read_text().splitlines()
    assert lines == [
        "apiVersion: mcp.optimizer.dev/v1",
        "kind: MCPOptimizer",
        "metadata: {name: production-cluster}",
        "spec:",
        "  replicas: 10",
        "  autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 50}",
    ]


def test_the_remote_servers_pod_passes_the_restricted_standard() -> None:
    deployment = next(yaml.safe_load_all((EXAMPLES / "remote.yaml").read_text()))
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
