"""The official suite says what tests/conformance/expected.yaml says it will, against the real server process."""

from concurrent.futures import Future

import pytest

from tests.conformance import legs, suite, verdict
from tests.conformance.suite import Outcome

pytestmark = pytest.mark.integration


NAMES = [*legs.LEGS, legs.CLIENT_LEG]
Running = dict[str, Future[dict[str, list[Outcome]]]]


@pytest.fixture(scope="session")
def running() -> Running:
    """All legs, which run side by side."""
    return legs.run_all(suite.installed(), NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_suite_finds_what_the_file_of_expected_failures_lists_and_nothing_else(running: Running, name: str) -> None:
    expected = verdict.read()
    judged = [verdict.judge(outcomes, expected, name, revision) for revision, outcomes in running[name].result().items()]
    assert not [wrong for one in judged for wrong in one.wrong]
    assert all(one.passed for one in judged)


def entry(**changed: object) -> verdict.Expected:
    values = {"legs": frozenset({"direct"}), "revision": "r", "scenario": "s", "checks": frozenset(), "reason": "because"}
    return verdict.Expected(**{**values, **changed})  # type: ignore[arg-type]


def test_an_expected_failure_that_passes_is_an_error() -> None:
    passed = Outcome("s", scored=True, passed=3)
    assert verdict.judge([passed], [entry()], "direct", "r").wrong
    half = Outcome("s", scored=True, failed=frozenset({"a"}), said={"a": "no"})
    assert "b: passes" in verdict.judge([half], [entry(checks=frozenset({"a", "b"}))], "direct", "r").wrong[0]


def test_a_failure_that_no_entry_names_is_an_error() -> None:
    failed = Outcome("s", scored=True, failed=frozenset({"a", "b"}), said={"a": "no", "b": "no"})
    assert verdict.judge([failed], [], "direct", "r").wrong
    assert verdict.judge([failed], [entry(checks=frozenset({"a"}))], "direct", "r").wrong
    assert not verdict.judge([failed], [entry()], "direct", "r").wrong
    assert verdict.judge([failed], [entry()], "hybrid", "r").wrong


def test_an_entry_for_a_scenario_that_does_not_exist_is_an_error() -> None:
    assert verdict.judge([], [entry()], "direct", "r").wrong


def test_every_entry_has_a_reason_and_a_leg_that_exists() -> None:
    assert {leg for one in verdict.read() for leg in one.legs} <= set(NAMES)
