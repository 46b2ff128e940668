"""A few thousand malformed requests in each mode; `make fuzz` sends many more."""

import pytest

from tests.fuzz import hostile
from tests.fuzz.run import run

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("mode", "seed"), [("hybrid", 101), ("mcp_only", 102)])
async def test_no_malformed_request_is_an_error_of_the_server_or_leaves_a_trace_in_it(mode: str, seed: int) -> None:
    outcome = await run(seed, 2500, mode)
    assert not outcome.report.unexpected
    assert outcome.report.requests >= 2500
    assert outcome.report.valid


@pytest.mark.parametrize("mode", ["hybrid", "mcp_only"])
async def test_whatever_a_server_answers_its_callers_get_a_sentence_and_the_other_servers_answers_stay_theirs(mode: str) -> None:
    report = await hostile.run(5, 700, mode)
    assert not report.unexpected
    assert report.valid
