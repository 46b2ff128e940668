"""What the API server accepts, the operator can carry out: models parse it, and every child it leads to is admitted as `restricted`."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.client.exceptions import ApiException

from mcp_operator.desired.child import Owner
from mcp_operator.desired.children import optimizer_children, server_children
from mcp_operator.desired.sandbox_pod import PoolTemplate, sandbox_pod
from mcp_operator.kinds import BY_NAME, Key
from mcp_operator.settings import Settings
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.schema import Defaults, structural
from mcp_optimizer_api.server import MCPServerSpec
from tests.integration.control_plane import ControlPlane
from tests.integration.crds.cases import REFUSALS, manifest
from tests.integration.crds.generated import specs

pytestmark = pytest.mark.integration

OPERATOR = Settings(namespace="mcp-system", pod_name="x", server_image="server:1", sandbox_image="sandbox:1")
UID = "00000000-0000-0000-0000-000000000001"
EFFORT = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def source(node: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """MCPServer specs with one source each: chance alone would seldom give one."""
    image = [name for name in node["properties"] if name != "remote"]
    remote = ["remote", "timeoutSeconds", "resilience", "paused", "transport"]

    def of(names: list[str], needed: str) -> st.SearchStrategy[dict[str, Any]]:
        part = {"type": "object", "properties": {name: node["properties"][name] for name in names}, "required": [needed]}
        return specs(part)

    return st.one_of(of(image, "image"), of(image, "image"), of(remote, "remote"))


OPTIMIZERS = specs(structural(MCPOptimizerSpec, defaults=Defaults.NONE))
SERVERS = source(structural(MCPServerSpec, defaults=Defaults.NONE))


@pytest.fixture(scope="module")
def outcomes() -> Counter[str]:
    """How many of the generated specs were accepted and refused."""
    return Counter()


def submitted(plane: ControlPlane, namespace: str, body: dict[str, Any], outcomes: Counter[str]) -> dict[str, Any] | None:
    """What the API server would store; None when it refuses, naming a field."""
    try:
        made = plane.create(namespace, body, dry_run=True)
    except ApiException as error:
        assert error.status in REFUSALS, error.body
        assert "spec" in json.loads(error.body)["message"]
        outcomes["refused"] += 1
        return None
    outcomes["accepted"] += 1
    spec: dict[str, Any] = made["spec"]
    return spec


def admit(plane: ControlPlane, namespace: str, child: dict[str, Any]) -> None:
    """The child is admitted, unchanged in what it says, without a Pod Security violation."""
    query = "?dryRun=All&fieldValidation=Strict"
    reply = plane.api.rest_client.pool_manager.request(
        "POST",
        f"{plane.api.configuration.host}{BY_NAME[child['kind']].path(namespace)}{query}",
        body=json.dumps(child),
        headers={"Content-Type": "application/json"},
    )
    assert reply.status == 201, f"{child['kind']}: {reply.data.decode()}"


@EFFORT
@given(spec=OPTIMIZERS)
def test_an_accepted_optimizer_can_be_carried_out(
    spec: dict[str, Any], control_plane: ControlPlane, namespace: str, outcomes: Counter[str]
) -> None:
    stored = submitted(control_plane, namespace, manifest("MCPOptimizer", spec), outcomes)
    if stored is None:
        return
    parsed = MCPOptimizerSpec.model_validate(stored)
    owner = Owner(Key("MCPOptimizer", namespace, "case"), UID, "")
    # Whether the runtime class exists is not the schema's business.
    sandbox = parsed.sandbox.model_copy(update={"runtime_class_name": None})
    template = PoolTemplate(
        namespace=namespace,
        optimizer="case",
        optimizer_uid=UID,
        sandbox=sandbox,
        image="sandbox:1",
        pull_policy="IfNotPresent",
        pull_secrets=tuple(secret.name for secret in parsed.image_pull_secrets),
        pool_key=b"k" * 32,
    )
    for child in [
        *optimizer_children(owner, parsed, [], OPERATOR, account_uid="an-account"),
        sandbox_pod(template, pod_name="case-sandbox-abcdefgh"),
    ]:
        admit(control_plane, namespace, child)


@EFFORT
@given(spec=SERVERS)
def test_an_accepted_server_can_be_carried_out(
    spec: dict[str, Any], control_plane: ControlPlane, namespace: str, outcomes: Counter[str]
) -> None:
    stored = submitted(control_plane, namespace, manifest("MCPServer", spec), outcomes)
    if stored is None:
        return
    parsed = MCPServerSpec.model_validate(stored)
    for child in server_children(Owner(Key("MCPServer", namespace, "case"), UID, ""), parsed, OPERATOR):
        admit(control_plane, namespace, child)


def test_enough_specs_were_accepted_and_enough_refused(outcomes: Counter[str]) -> None:
    assert outcomes["accepted"] > 40, outcomes
    assert outcomes["refused"] > 40, outcomes
