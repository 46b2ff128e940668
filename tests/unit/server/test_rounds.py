"""State of unfinished calls: sealed, bound to its call, over after a while; and what travels back while a call runs."""

from dataclasses import replace
from typing import Any

import pytest

from mcp_optimizer.context import JOB, PLAIN, CallContext
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.naming import entry_uri, split_id, split_uri, with_entry_uris
from mcp_optimizer.paging import PAGE, BadCursor, Entry, page
from mcp_optimizer.rounds import Rounds, StateRefused
from mcp_optimizer.seal import Sealer
from mcp_optimizer.upstream.extras import PROMPTS, RESOURCES, sanitise_entries
from mcp_optimizer.upstream.relay import capabilities, progress_token, relayed, request_meta
from mcp_optimizer.upstream.reply import result_of

CALL = ("it", "tools/call", "greet", {"a": 1})
ABLE = CallContext(client_capabilities={"elicitation": {}})
ASKED = {
    "resultType": "input_required",
    "inputRequests": {"who": {"method": "elicitation/create", "params": {}}},
    "requestState": "theirs",
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def nobody(method: str, params: dict[str, Any]) -> None:
    return


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rounds(clock: Clock) -> Rounds:
    return Rounds(Sealer(Keys(None), clock=clock))


def test_the_servers_state_comes_back_for_the_same_call_only(rounds: Rounds, clock: Clock) -> None:
    state = rounds.sealed(ASKED, ABLE, *CALL)["requestState"]
    brought = replace(ABLE, request_state=state)
    assert rounds.opened(brought, *CALL).request_state == "theirs"
    for other in (("other", *CALL[1:]), (*CALL[:2], "work", CALL[3]), (*CALL[:3], {"a": 2}), ("it", "prompts/get", "greet", {"a": 1})):
        with pytest.raises(StateRefused, match="belongs to another call"):
            rounds.opened(brought, *other)
    clock.now += 601
    with pytest.raises(StateRefused, match="has expired"):
        rounds.opened(brought, *CALL)


@pytest.mark.parametrize("state", ["", "x", "A" * 100, "é", "theirs"])
def test_state_that_is_not_ours_is_refused(rounds: Rounds, state: str) -> None:
    with pytest.raises(StateRefused, match="is not one that this endpoint gave out"):
        rounds.opened(replace(ABLE, request_state=state), *CALL)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"resultType": "input_required"}, "without saying for what"),
        ({**ASKED, "inputRequests": {"x": {"method": "roots/list"}}}, "has not said it can answer"),
        ({**ASKED, "inputRequests": {"x": {"method": ["elicitation/create"]}}}, "has not said it can answer"),
        ({**ASKED, "inputRequests": {"x": 5}}, "has not said it can answer"),
        ({**ASKED, "inputRequests": {str(n): {"method": "elicitation/create"} for n in range(33)}}, "more than 32 questions"),
        ({**ASKED, "requestState": "x" * 70_000}, "65536 characters of state"),
    ],
)
def test_questions_that_a_client_did_not_ask_for_are_not_relayed(rounds: Rounds, result: dict[str, Any], why: str) -> None:
    with pytest.raises(CallFailure, match=why):
        rounds.sealed(result, ABLE, *CALL)


@pytest.mark.parametrize(("context", "asker"), [(PLAIN, "this client"), (JOB, "code in a sandbox")])
def test_whoever_cannot_be_asked_is_told_so(context: CallContext, asker: str) -> None:
    with pytest.raises(CallFailure, match=f"needs an answer from the user first, which {asker} cannot give"):
        result_of("it", {"result": ASKED}, context)


def test_a_server_is_told_of_those_capabilities_only_that_are_relayed() -> None:
    declared = {"elicitation": {"form": {}}, "roots": {}, "extensions": {"x": {}}, "experimental": {}, "sampling": 5}
    assert capabilities(CallContext(client_capabilities=declared)) == {"elicitation": {"form": {}}, "roots": {}}


def test_our_own_progress_token_goes_to_the_server_and_no_other_ones_progress_comes_back() -> None:
    context = CallContext(on_notification=nobody, progress=True)
    assert request_meta(context, 7, modern=True) == {"progressToken": progress_token(7)}
    progress = {
        "method": "notifications/progress",
        "params": {"progressToken": progress_token(7), "progress": 1, "total": 2, "message": "m"},
    }
    assert relayed(progress, context, "it", 7) == ("notifications/progress", {"progress": 1, "total": 2, "message": "m"})
    assert relayed(progress, context, "it", 8) is None
    assert relayed(progress, CallContext(on_notification=nobody), "it", 7) is None


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), [1]])
def test_progress_that_is_no_number_is_dropped(value: Any) -> None:
    message = {"method": "notifications/progress", "params": {"progressToken": progress_token(1), "progress": value}}
    assert relayed(message, CallContext(on_notification=nobody, progress=True), "it", 1) is None


@pytest.mark.parametrize(("own", "logger"), [(False, "it.db"), (True, "db")])
def test_log_messages_name_their_server_and_are_as_severe_as_was_asked(own: bool, logger: str) -> None:
    context = CallContext(on_notification=nobody, log_level="warning", own_names=own)

    def heard(**params: Any) -> Any:
        return relayed({"method": "notifications/message", "params": params}, context, "it", 1)

    assert heard(level="error", data=[1], logger="db") == ("notifications/message", {"level": "error", "data": [1], "logger": logger})
    assert heard(level="info", data=1) is None
    assert heard(level="loud", data=1) is None
    assert heard(level="error") is None


@pytest.mark.parametrize("uri", ["file:///a+b", "a", "x+y+z", "memo://{name}"])
def test_names_of_many_servers_fall_apart_again(uri: str) -> None:
    assert split_uri(entry_uri("my-server", uri)) == ("my-server", uri)
    assert split_id("my-server.a.b") == ("my-server", "a.b")
    assert split_uri("memo://a") == ("memo://a", "")


def test_links_in_results_get_the_uris_that_clients_know() -> None:
    blocks = [{"type": "resource_link", "uri": "a:b"}, {"type": "resource", "resource": {"uri": "c:d"}}, {"type": "text", "text": "e"}]
    named = with_entry_uris("it", blocks)
    assert (named[0]["uri"], named[1]["resource"]["uri"], named[2]) == ("it+a:b", "it+c:d", blocks[2])


def test_pages_go_on_after_the_last_entry_seen_although_the_list_changes() -> None:
    entries = [Entry("a", f"{number:04}", {"n": number}) for number in range(PAGE + 2)]
    first = page("things", entries, None)
    assert len(first["things"]) == PAGE
    rest = page("things", [entry for entry in entries if entry.key != f"{PAGE - 1:04}"], first["nextCursor"])
    assert [entry["n"] for entry in rest["things"]] == [PAGE, PAGE + 1]
    with pytest.raises(BadCursor):
        page("things", entries, "5")


def test_hostile_catalogues_are_bounded_and_cleaned() -> None:
    kept = sanitise_entries(
        "it",
        RESOURCES,
        [
            {"uri": "b:1", "name": "b", "description": "see\u202e me", "size": "huge", "annotations": 7},
            {"uri": "b:1", "name": "again"},
            {"uri": "x" * 3000, "name": "long"},
            {"uri": "line\nbreak", "name": "n"},
            {"name": "no uri"},
            "no object",
            {"uri": "a:1"},
        ],
    )
    assert [(item["uri"], item["name"]) for item in kept] == [("a:1", "a:1"), ("b:1", "b")]
    assert "size" not in kept[1], "an entry keeps nothing that a client would refuse"
    (prompt,) = sanitise_entries("it", PROMPTS, [{"name": "p", "arguments": [{"name": "to", "required": True}], "description": "x" * 9000}])
    assert len(prompt["description"]) == 4000 and prompt["arguments"] == [{"name": "to", "required": True}]
