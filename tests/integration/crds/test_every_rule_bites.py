"""No rule of the definitions is decoration: each one is broken by at least one case of the reject tables."""

from collections.abc import Iterator
from typing import Any

import pytest

from mcp_optimizer_api.cel import VALIDATIONS
from mcp_optimizer_api.crd import KINDS, Kind, root_schema
from tests.integration.control_plane import ControlPlane
from tests.integration.crds import test_rejected_optimizers, test_rejected_servers
from tests.integration.crds.cases import manifest, refusal

pytestmark = pytest.mark.integration
TABLES = {"MCPOptimizer": test_rejected_optimizers.REJECTED, "MCPServer": test_rejected_servers.REJECTED}


def messages(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get(VALIDATIONS, ()))
        for below in node.values():
            yield from messages(below)
    elif isinstance(node, list):
        for below in node:
            yield from messages(below)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_rule_refuses_something(kind: Kind, control_plane: ControlPlane) -> None:
    bodies = [manifest(kind.kind, spec) for spec, _, _ in TABLES[kind.kind].values()]
    bodies.append(manifest(kind.kind, {"image": "nginx"} if kind.kind == "MCPServer" else {}, "1st"))
    said = "\n".join(refusal(control_plane, "default", body) for body in bodies)
    stated = set(messages(root_schema(kind)))
    assert len(stated) > 10
    assert {message for message in stated if message not in said} == set()
