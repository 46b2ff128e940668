"""What job code asks the endpoint about its tools."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.server.catalogues import snapshot, tool

from mcp_optimizer.discovery import Discovery
from mcp_optimizer.meaning import EmbeddingClient
from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.tools.questions import MAX_STUB_BYTES, Questions

ISSUE = tool(
    "create_issue",
    {"title": {"type": "string"}},
    ["title"],
    description="Create an issue. Or not.",
    outputSchema={"title": "T", "type": "object"},
)
WORLD = snapshot(git_hub=[ISSUE, tool("delete-issue")], empty=[])


async def ask(question: str, world: Snapshot = WORLD, **arguments: Any) -> Any:
    """The value, or [code, message]."""
    outcome = await Questions(lambda: world, Discovery(EmbeddingClient(None), CollectorRegistry())).answer(question, arguments)
    return outcome.value if outcome.error is None else [outcome.error.code, outcome.error.message]


async def test_the_servers_are_those_with_tools_by_their_python_names() -> None:
    assert await ask("$servers") == ["git_hub"]


async def test_stubs_are_those_of_one_server_or_one_tool() -> None:
    found = await ask("$stubs", server="git_hub")
    assert {name: described["id"] for name, described in found.items()} == {
        "create_issue": "git-hub.create_issue",
        "delete_issue": "git-hub.delete-issue",
    }
    assert await ask("$stubs", server="git_hub", tool="deleteIssue") == {"deleteIssue": found["delete_issue"]}
    assert await ask("$stubs", server="empty") == {}


async def test_search_answers_with_data_and_the_same_ranking_as_discover() -> None:
    hits = await ask("$search", query="create issue", limit=1)
    assert hits == [{"id": "git-hub.create_issue", "signature": "git-hub.create_issue(title: str)", "purpose": "Create an issue"}]
    assert await ask("$search", query="zzz") == []


async def test_describe_answers_with_the_whole_definition() -> None:
    found = await ask("$describe", tool="create_issue")
    assert found["id"] == "git-hub.create_issue" and found["description"] == "Create an issue. Or not."
    assert found["inputSchema"]["required"] == ["title"] and found["outputSchema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("question", "arguments", "code", "words"),
    [
        ("$stubs", {"server": "githup"}, 404, "did you mean tools.git_hub?"),
        ("$stubs", {"server": "git_hub", "tool": "create_isue"}, 404, "did you mean tools.git_hub.create_issue"),
        ("$stubs", {"server": "zzz"}, 404, "search() finds tools"),
        ("$stubs", {"server": 5}, 400, "server must be text"),
        ("$search", {"query": ""}, 400, "query must be text"),
        ("$search", {"query": "x", "limit": 51}, 400, "limit must be"),
        ("$search", {"query": "x", "limit": True}, 400, "limit must be"),
        ("$describe", {"tool": "git-hub.create_isue"}, 404, "did you mean git-hub.create_issue"),
        ("$nothing", {}, 404, "there are $servers, $stubs, $search, $describe"),
    ],
)
async def test_a_wrong_question_says_what_is_right(question: str, arguments: dict[str, Any], code: int, words: str) -> None:
    answer = await ask(question, **arguments)
    assert answer[0] == code and words in answer[1]


async def test_what_is_excluded_is_in_no_answer() -> None:
    world = snapshot(exclude=("*.create*",), git_hub=[ISSUE, tool("delete-issue")])
    assert list(await ask("$stubs", world, server="git_hub")) == ["delete_issue"]
    assert (await ask("$stubs", world, server="git_hub", tool="create_issue"))[0] == 404
    assert (await ask("$describe", world, tool="git-hub.create_issue"))[0] == 404
    assert [hit["id"] for hit in await ask("$search", world, query="create issue")] != ["git-hub.create_issue"]


async def test_the_stubs_of_a_large_server_come_by_name_and_the_rest_one_by_one() -> None:
    world = snapshot(big=[tool(f"tool_{n}", {"x" * 100: {"type": "string"}}, description="long " * 400) for n in range(500)])
    found = await ask("$stubs", world, server="big")
    assert len(found) == 500 and found["tool_0"] is not None and found["tool_99"] is None
    assert len(json.dumps(found)) < MAX_STUB_BYTES + 20_000
    assert (await ask("$stubs", world, server="big", tool="tool_99"))["tool_99"]["id"] == "big.tool_99"
