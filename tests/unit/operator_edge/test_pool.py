"""What the pool decides, case by case."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator_edge.pool_builders import NOW, TARGET, busy, decide, deleted, pods, starting, warm

from mcp_operator.desired.child import Owner
from mcp_operator.desired.code_switch import why_code_is_off
from mcp_operator.desired.configmap import render_config
from mcp_operator.desired.sandbox_pod import MAX_WARM_SECONDS, idle_seconds
from mcp_operator.kinds import Key
from mcp_operator.pool import MAX_CREATIONS, plan
from mcp_operator.pool_hold import Hold
from mcp_operator.pool_pod import PodState, PoolPod, Problem
from mcp_operator.pool_verdict import pool_verdict
from mcp_optimizer_api.optimizer import MCPOptimizerSpec
from mcp_optimizer_api.status import Reason


def test_an_empty_pool_is_filled_to_its_minimum() -> None:
    assert decide([]).create == 2


def test_pods_on_their_way_count() -> None:
    assert decide(starting(1)).create == 1
    assert decide(starting(2)).create == 0
    assert decide([], creations=["a"]).create == 1
    assert decide([], creations=["a", "b"]).create == 0


def test_a_creation_the_cache_shows_already_counts_once() -> None:
    assert decide(starting(1), creations=["starting-0"]).create == 1


def test_a_claim_is_refilled_at_once() -> None:
    assert decide([*warm(1), *busy(1)]).create == 1


def test_busy_and_going_pods_never_make_the_pool_larger_than_its_maximum() -> None:
    assert decide(busy(3)).create == 1
    assert decide(busy(4)).create == 0
    assert decide(busy(3, deleting=True)).create == 1
    assert decide([*busy(2), *starting(1, deleting=True)], creations=["x"]).create == 0


def test_a_pod_we_deleted_counts_towards_the_maximum_until_it_is_gone() -> None:
    have = [*busy(2), *starting(2)]
    assert decide(have, deletions={have[3].uid}).create == 0


def test_pods_whose_job_is_over_hold_their_room_until_they_have_ended() -> None:
    assert decide([*busy(2), *pods(PodState.FINISHED, 2, age=0)]).create == 0


def test_ended_pods_are_deleted_once_and_hold_no_room() -> None:
    have = [*busy(2), *pods(PodState.FINISHED, 2, ended=True)]
    first = decide(have)
    assert first.create == 2
    assert deleted(first) == ["finished-0", "finished-1"]
    assert deleted(decide(have, deletions={pod.uid for pod in have[2:]})) == []
    assert deleted(decide(pods(PodState.FINISHED, deleting=True))) == []


def test_a_large_pool_is_filled_in_steps() -> None:
    assert decide([], replace(TARGET, min=300, max=400)).create == MAX_CREATIONS


def test_a_minimum_above_the_maximum_means_the_maximum() -> None:
    decision = decide([], replace(TARGET, min=9, max=3))
    assert decision.create == 3
    assert decision.counts.target == 3


def test_pods_of_an_outdated_template_serve_until_their_replacements_are_ready() -> None:
    old = warm(4, prefix="old", template_hash="old")
    target = replace(TARGET, min=4, max=8)
    first = decide(old, target)
    assert (first.create, deleted(first)) == (1, [])
    assert (decide([*old, *starting(1)], target).create, deleted(decide([*old, *starting(1)], target))) == (0, [])
    next_step = decide([*old, *warm(1)], target)
    assert (next_step.create, deleted(next_step)) == (1, ["old-0"])


def test_a_broken_new_template_leaves_the_old_pods_serving() -> None:
    broken = starting(1, problem=Problem(reason=Reason.IMAGE_PULL_FAILED, message="not found"), age=900)
    decision = decide([*warm(2, prefix="old", template_hash="old"), *broken])
    assert (decision.create, deleted(decision)) == (0, [])


def test_a_full_pool_of_an_outdated_template_gives_up_one_pod_at_a_time() -> None:
    target = replace(TARGET, min=2, max=2)
    old = warm(2, prefix="old", template_hash="old")
    assert deleted(decide(old, target)) == ["old-0"]
    assert deleted(decide([old[1], replace(old[0], deleting=True)], target)) == []
    assert decide([old[1]], target).create == 1
    assert deleted(decide([old[1], *starting(1)], target)) == []


def test_an_outdated_pod_that_is_not_ready_is_replaced_at_once() -> None:
    decision = decide(starting(2, template_hash="old"))
    assert deleted(decision) == ["starting-0", "starting-1"]
    assert decision.create == 2


def test_a_lower_minimum_deletes_unready_pods_first_and_then_the_oldest() -> None:
    young, old = warm(1, prefix="young", age=5), warm(1, prefix="old", age=500)
    lowered = replace(TARGET, trim=True)
    first = decide([*young, *old, *starting(1)], lowered)
    assert (deleted(first), first.surplus) == (["starting-0"], True)
    assert deleted(decide([*young, *old, *warm(1, prefix="middle", age=50)], lowered)) == ["old-0"]
    assert not decide([*young, *old], lowered).surplus


def test_an_ageing_pod_is_replaced_in_time_and_left_to_end_itself() -> None:
    have = warm(2)
    limit = idle_seconds("warm-0")
    ageing = [replace(have[0], created=NOW - limit + 20), have[1]]
    decision = decide(ageing)
    assert (decision.create, deleted(decision)) == (1, [])
    assert deleted(decide([replace(have[0], created=NOW - limit - 61), have[1]])) == ["warm-0"]


def test_a_pod_that_starts_for_too_long_is_replaced_unless_somebody_said_why() -> None:
    assert deleted(decide(starting(1, age=119))) == []
    assert deleted(decide(starting(1, age=121))) == ["starting-0"]
    stated = starting(1, age=121, problem=Problem(reason=Reason.UNSCHEDULABLE, message="no room"))
    assert deleted(decide(stated)) == []


def test_a_pod_busy_beyond_its_deadline_is_deleted() -> None:
    assert deleted(decide(busy(1, age=59))) == []
    assert deleted(decide(busy(1, age=61))) == ["busy-0"]


def test_unschedulable_pods_stop_further_creations_and_are_reported() -> None:
    decision = decide(starting(1, problem=Problem(reason=Reason.UNSCHEDULABLE, message="0/1 nodes are available")))
    assert decision.create == 0
    assert decision.problem is not None
    assert pool_verdict(TARGET, decision).reason == Reason.UNSCHEDULABLE


def test_a_hold_stops_creations_until_it_ends_and_then_allows_one_try() -> None:
    hold = Hold(since=NOW, until=NOW + 7, failures=3, reason=Reason.QUOTA_EXCEEDED, message="exceeded quota")
    held = decide([], hold=hold)
    assert (held.create, held.requeue_after) == (0, 7.0)
    assert pool_verdict(TARGET, held).reason == Reason.QUOTA_EXCEEDED
    assert decide([], hold=hold, now=NOW + 7).create == 1
    assert decide(starting(1), hold=hold, now=NOW + 7).create == 1


def test_after_a_failed_start_the_next_pod_is_tried_when_the_one_before_has_shown_what_it_can() -> None:
    hold = Hold(since=NOW, until=NOW + 7, failures=3, reason=Reason.CRASH_LOOP, message="ends")
    assert decide([], hold=hold, now=NOW + 7).create == 1
    assert decide(starting(1), hold=hold, now=NOW + 7).create == 0
    assert decide([], hold=hold, now=NOW + 7, creations=["x"]).create == 0


def test_a_pool_that_is_switched_off_removes_every_pod_but_those_with_a_job() -> None:
    off = replace(TARGET, off="execute_code is off.")
    decision = decide([*warm(1), *busy(1), *starting(1), *pods(PodState.FINISHED)], off)
    assert decision.create == 0
    assert {pod.state for pod in decision.delete} == {PodState.WARM, PodState.STARTING, PodState.FINISHED}
    assert deleted(decide(busy(1, age=61), off)) == ["busy-0"]
    assert pool_verdict(off, decision).reason == Reason.SANDBOX_DISABLED


def test_pods_that_never_became_ready_are_told_apart() -> None:
    crashed = pods(PodState.FINISHED, prefix="crashed", failed_to_start=True)
    decision = decide([*crashed, *pods(PodState.FINISHED), *starting(1, age=121), *starting(1, prefix="outdated", template_hash="old")])
    assert [pod.name for pod in decision.failed] == ["crashed-0", "starting-0"]


def test_pods_that_take_long_to_become_ready_make_the_condition_say_why_that_may_be() -> None:
    assert "NetworkPolicy" not in pool_verdict(TARGET, decide(starting(2))).message
    assert "NetworkPolicy" in pool_verdict(TARGET, decide(starting(2, age=31))).message


def test_a_paused_pool_is_counted_and_left_alone() -> None:
    decision = decide([*pods(PodState.FINISHED), *warm(1)], replace(TARGET, paused=True))
    assert (decision.create, decision.delete, decision.requeue_after) == (0, (), None)
    assert decision.counts.warm == 1


def test_counts_say_what_is_there() -> None:
    have = [*warm(1), *starting(1), *busy(1), *pods(PodState.FINISHED), *warm(1, prefix="going", deleting=True)]
    counts = decide(have, creations=["x"]).counts
    assert (counts.target, counts.warm, counts.starting, counts.busy) == (2, 1, 2, 1)


def test_a_settled_pool_is_looked_at_again_only_when_a_pod_ages() -> None:
    decision = decide(warm(2))
    assert (decision.create, decision.delete) == (0, ())
    assert decision.requeue_after is not None
    assert decision.requeue_after >= 0.8 * MAX_WARM_SECONDS - 60


@pytest.mark.parametrize(
    ("have", "ready", "reason"),
    [
        ([], False, Reason.POOL_FILLING),
        (starting(2), False, Reason.POOL_FILLING),
        (warm(2), True, Reason.POOL_AT_TARGET),
        ([*warm(1), *busy(1)], True, Reason.POOL_AT_TARGET),
        (busy(2), True, Reason.POOL_FILLING),
    ],
)
def test_the_condition_speaks_of_whether_jobs_can_run(have: list[PoolPod], ready: bool, reason: Reason) -> None:
    verdict = pool_verdict(TARGET, decide(have))
    assert (verdict.ready, verdict.reason) == (ready, reason)


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"sandbox": {"pool": {"min": 0, "max": 3}}}, "pool.min is 0"),
        ({"sandbox": {"pool": {"min": 0, "max": 0}}}, "pool.max is 0"),
        ({"mode": "mcp_only"}, "mode is mcp_only"),
    ],
)
def test_a_pool_and_its_servers_name_the_same_cause_for_code_being_off(spec: dict[str, Any], cause: str) -> None:
    parsed = MCPOptimizerSpec.model_validate(spec)
    why = why_code_is_off(parsed)
    off = replace(TARGET, off=why)
    verdict = pool_verdict(off, decide([], off))
    assert (verdict.ready, verdict.reason) == (False, Reason.SANDBOX_DISABLED)
    assert cause in verdict.message
    rendered = render_config(Owner(Key("MCPOptimizer", "ns", "o"), "uid"), parsed, []).sandbox
    assert (rendered.enabled, rendered.disabled_reason) == (False, why)


def test_a_paused_pool_that_ran_empty_promises_nothing() -> None:
    asleep = replace(TARGET, paused=True)
    verdict = pool_verdict(asleep, plan(asleep, [], hold=None, now=NOW))
    assert (verdict.ready, verdict.reason) == (False, Reason.PAUSED)
