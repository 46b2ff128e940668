"""The IsolationVerified condition, from the reports of the server Pods to Ready."""

import pytest

from mcp_operator.status.finding import Finding
from mcp_operator.status.probe import NOT_PROBED, isolation_verified
from mcp_optimizer_api.stats import IsolationReport
from mcp_optimizer_api.status import Reason

GOOD = IsolationReport(template="t1", verified=True, runtime="gVisor")
BAD = IsolationReport(template="t2", verified=False, runtime="Linux version 6", problem="its code runs as root: use another image")


def test_a_good_report_names_the_kernel() -> None:
    found = isolation_verified(None, [GOOD, GOOD], None)
    assert (found.holds, found.reason) == (True, Reason.ISOLATION_VERIFIED)
    assert "Its kernel: gVisor." in found.message


def test_one_bad_report_outweighs_good_ones_and_says_what_to_do() -> None:
    found = isolation_verified(None, [GOOD, BAD], None)
    assert (found.holds, found.reason) == (False, Reason.ISOLATION_FAILED)
    assert "a sandbox was probed, and its code runs as root: use another image" in found.message
    assert "kubectl rollout restart" in found.message


@pytest.mark.parametrize("before", [isolation_verified(None, [GOOD], None), isolation_verified(None, [BAD], None)])
def test_a_moment_without_reports_changes_nothing(before: Finding) -> None:
    assert isolation_verified(None, [], before) == before


def test_nothing_is_known_before_the_first_report() -> None:
    assert isolation_verified(None, [], None) == NOT_PROBED
    assert isolation_verified(None, [], isolation_verified("spec.sandbox.pool.max is 0", [GOOD], None)) == NOT_PROBED


def test_without_code_there_is_nothing_to_verify() -> None:
    found = isolation_verified("spec.sandbox.pool.max is 0", [GOOD], None)
    assert (found.holds, found.reason) == (None, Reason.SANDBOX_DISABLED)
