"""What the HTTP answers of servers that refuse mean for a call."""

from typing import Any

import pytest
from multidict import CIMultiDict

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.upstream.faults import accepted
from mcp_optimizer.upstream.wire import Reply

BUSY = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "too many requests at once"}}


def refused(status: int, message: dict[str, Any] | None = None, **headers: str) -> CallFailure:
    with pytest.raises(CallFailure) as told:
        accepted("it", Reply(status, message, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})))
    return told.value


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("message", [None, BUSY])
@pytest.mark.parametrize("seconds", [1, 7, 3600])
def test_a_server_that_says_when_to_come_again_is_quoted(status: int, message: dict[str, Any] | None, seconds: int) -> None:
    told = refused(status, message, retry_after=str(seconds))
    assert told.envelope() == {"code": status, "message": told.message, "retry_after_s": seconds}
    assert told.message.endswith(f"({status}): {'try again later' if message is None else 'too many requests at once'}")


@pytest.mark.parametrize("header", ["", "0", "-1", "3601", "99999999999999999999", "1.5", "Fri, 31 Dec 2027 23:59:59 GMT", "\u0667", "7\n"])
def test_what_is_no_sensible_number_of_seconds_is_not_quoted(header: str) -> None:
    assert refused(429, Retry_After=header).retry_after_s is None


def test_a_result_with_a_status_that_says_there_is_none_is_no_result() -> None:
    assert refused(429, {"jsonrpc": "2.0", "id": 1, "result": {}}).message.endswith("(429): try again later")


def test_other_refusals_name_no_time() -> None:
    assert [refused(status, retry_after="7").retry_after_s for status in (401, 403, 500, 504)] == [None] * 4
