"""Sandboxes on a cluster whose network plugin enforces nothing: no job, a condition that says so, and one switch."""

from typing import Any

import pytest
from tests.unit.operator.objects import optimizer
from tests.unit.operator.world import settled
from tests.unit.operator_edge.pool_cluster import SETTINGS, Cluster, pool

from mcp_operator.context import PoolReport
from mcp_operator.desired.sandbox_pod import PoolTemplate, sandbox_pod
from mcp_operator.kinds import Key
from mcp_operator.pool_pod import EXIT_NETWORK_OPEN
from mcp_operator.pool_verdict import PoolVerdict
from mcp_optimizer_api.optimizer import SandboxCounts
from mcp_optimizer_api.sandbox import Sandbox
from mcp_optimizer_api.status import Reason


def verdict(report: PoolReport) -> tuple[bool, Reason] | None:
    return None if report.egress is None else (report.egress.ready, report.egress.reason)


async def test_pods_that_get_out_say_so_and_are_not_tried_again_and_again() -> None:
    cluster, opt = Cluster(), pool(2, 4)
    assert verdict(await cluster.look(opt)) is None
    for _ in range(5):
        for name in cluster.pods:
            cluster.becomes(name, "Failed", code=EXIT_NETWORK_OPEN)
        report = await cluster.look(opt)
        cluster.sync()
    assert verdict(report) == (False, Reason.EGRESS_OPEN)
    assert "allowUnenforcedEgress" in report.verdict.message
    assert (report.verdict.ready, report.verdict.reason) == (False, Reason.EGRESS_OPEN)
    assert cluster.created == 2


async def test_a_pod_that_gets_warm_is_the_proof_and_ends_the_hold() -> None:
    cluster, opt = Cluster(), pool(1, 4)
    await cluster.look(opt)
    cluster.becomes(next(iter(cluster.pods)), "Failed", code=EXIT_NETWORK_OPEN)
    await cluster.look(opt)
    cluster.sync()
    cluster.now += 10
    await cluster.look(opt)
    cluster.all_warm()
    assert verdict(await cluster.look(opt)) == (True, Reason.EGRESS_DENIED)


async def test_the_switch_lets_pods_start_unproved_and_stays_in_sight() -> None:
    cluster, opt = Cluster(), pool(1, 4)
    opt = type(opt)(**{**vars(opt), "spec": opt.spec.model_copy(update={"sandbox": unchecked(opt.spec.sandbox)})})
    await cluster.look(opt)
    (made,) = cluster.pods.values()
    assert {"name": "MCP_SANDBOX_EGRESS", "value": "unchecked"} in made["spec"]["containers"][0]["env"]
    cluster.all_warm()
    report = await cluster.look(opt)
    assert verdict(report) == (False, Reason.EGRESS_UNCHECKED)
    assert report.verdict.ready


def unchecked(sandbox: Sandbox) -> Sandbox:
    return sandbox.model_copy(update={"allow_unenforced_egress": True})


def test_without_the_switch_every_pod_has_to_prove_it() -> None:
    template = PoolTemplate(
        namespace="ns",
        optimizer="o",
        optimizer_uid="u",
        sandbox=Sandbox(),
        image=SETTINGS.sandbox_image,
        pull_policy="Never",
        pool_key=bytes(32),
    )
    env = sandbox_pod(template, pod_name="p")["spec"]["containers"][0]["env"]
    assert not [variable for variable in env if variable["name"] == "MCP_SANDBOX_EGRESS"]


@pytest.mark.parametrize(
    ("spec", "found", "condition"),
    [
        ({}, (True, Reason.EGRESS_DENIED), ("True", "EgressDenied")),
        ({}, (False, Reason.EGRESS_OPEN), ("False", "EgressOpen")),
        ({}, None, ("Unknown", "Progressing")),
        ({"mode": "mcp_only"}, None, ("Unknown", "SandboxDisabled")),
    ],
)
async def test_the_condition_keeps_what_was_proved(spec: dict[str, Any], found: Any, condition: tuple[str, str]) -> None:
    world = await settled(optimizer(**spec))
    for report in (found, None):  # None: an operator that has just started knows nothing new
        egress = None if report is None else PoolVerdict(ready=report[0], reason=report[1], message="m")
        told = PoolReport(
            verdict=PoolVerdict(ready=True, reason=Reason.POOL_AT_TARGET, message="warm"),
            counts=SandboxCounts(target=2, warm=2),
            egress=egress,
        )

        async def reconcile(optimizer: Any, key: bytes, told: PoolReport = told) -> PoolReport:
            return told

        world.pools.reconcile = reconcile  # type: ignore[method-assign]
        world.queue.add(Key("MCPOptimizer", "ns", "o"))
        await world.settle()
        assert world.condition("MCPOptimizer", "o", "EgressEnforced") == condition
