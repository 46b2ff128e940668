"""What the HTTP answers of servers that refuse mean for a call."""

import pytest
from multidict import CIMultiDict

from mcp_optimizer.upstream.faults import refusal
from mcp_optimizer.upstream.wire import Reply


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("3600", 3600), ("1", 1)])
def test_a_server_that_says_when_to_come_again_is_quoted(status: int, header: str, seconds: int) -> None:
    told = refusal("it", Reply(status, None, CIMultiDict({"retry-after": header})))
    assert (told.code, told.retry_after_s) == (status, seconds)
    assert told.envelope() == {"code": status, "message": told.message, "retry_after_s": seconds}
    assert told.message.endswith(f"({status}): try again in {seconds} s")


@pytest.mark.parametrize("header", ["", "0", "-1", "3601", "99999999999999999999", "1.5", "Fri, 31 Dec 2027 23:59:59 GMT", "\u0667", "7\n"])
def test_what_is_no_sensible_number_of_seconds_is_not_quoted(header: str) -> None:
    told = refusal("it", Reply(429, None, CIMultiDict({"Retry-After": header})))
    assert told.retry_after_s is None and told.message.endswith("(429): try again later")


def test_other_refusals_name_no_time() -> None:
    assert refusal("it", Reply(403, None, CIMultiDict({"Retry-After": "7"}))).retry_after_s is None
