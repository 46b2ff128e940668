"""Finding tools by words, and identifiers by their looks."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_optimizer import search
from mcp_optimizer.search import Index, NearestNames, fuse, term_weights
from mcp_optimizer.synonyms import words
from mcp_optimizer.text import stem, terms


@dataclass(frozen=True)
class Entry:
    server: str
    name: str
    description: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.server}.{self.name}"

    @property
    def weights(self) -> dict[str, float]:
        properties = {name: {"type": "string", "description": text} for name, text in self.parameters.items()}
        return term_weights(
            self.server, "", {"name": self.name, "description": self.description, "inputSchema": {"properties": properties}}
        )


TOOLS = [
    Entry("github", "create_issue", "Open a new issue in a repository"),
    Entry("github", "list_issues", "List the issues of a repository"),
    Entry("github", "merge_pull_request", "Merge a pull request"),
    Entry("calendar", "createEvent", "Add an appointment", {"attendees": "E-mail addresses of the people to invite"}),
    Entry("weather", "get_forecast", "Forecast for the next days", {"city": "Name of the town"}),
    Entry("files", "HTTPDownload2File", "Save a URL to disk"),
]


def ids(query: str, limit: int = 3) -> list[str]:
    return [hit.tool.id for hit in Index(TOOLS).search(query, limit)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("creating issues", "github.create_issue"),
        ("create an event", "calendar.createEvent"),
        ("invite people by e-mail", "calendar.createEvent"),
        ("weather in a town", "weather.get_forecast"),
        ("download", "files.HTTPDownload2File"),
        ("ＭＥＲＧＥ pull requests", "github.merge_pull_request"),
    ],
)
def test_the_tool_that_a_query_describes_comes_first(query: str, first: str) -> None:
    assert ids(query)[0] == first


def test_words_that_no_tool_has_find_nothing() -> None:
    assert ids("quantum chromodynamics") == []
    assert ids("the of a") == []
    assert Index([]).search("anything", 5) == []


def test_the_filter_is_applied_before_the_best_are_taken() -> None:
    crowd = [Entry("secret", f"issue_{number}", "issue issue issue") for number in range(50)] + TOOLS
    hits = Index(crowd).search("issue", 2, allow=lambda tool: tool.server != "secret")
    assert [hit.tool.server for hit in hits] == ["github", "github"]


def test_one_server_does_not_crowd_out_the_others() -> None:
    crowd = [Entry("big", f"send_message_{number}", "Send a message") for number in range(20)]
    hits = Index([*crowd, Entry("small", "deliver", "Send a short message by pigeon")]).search("send message", 8)
    assert len(hits) == 8
    assert "small.deliver" in [hit.tool.id for hit in hits]


def test_equal_tools_come_in_catalogue_order_every_time() -> None:
    same = [Entry("s", f"t{number}", "do things") for number in range(9)]
    assert [hit.tool.id for hit in Index(same).search("things", 4)] == ["s.t0", "s.t1", "s.t2", "s.t3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("createIssue", ["creat", "issu"]),
        ("HTTPServer2Go", ["http", "server", "2", "go"]),
        ("list_all-files", ["list", "all", "fil"]),
        ("the repositories of users", ["repository", "user"]),
        ("ﬁle", ["fil"]),
        ("Größe", ["größe"]),
    ],
)
def test_text_becomes_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    "family",
    [
        ("create", "creates", "created", "creating"),
        ("stop", "stops", "stopped", "stopping"),
        ("query", "queries"),
        ("search", "searches", "searching"),
    ],
)
def test_forms_of_a_word_meet_in_one_stem(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


def test_a_misspelt_identifier_finds_its_look_alikes() -> None:
    names = NearestNames(tool.id for tool in TOOLS)
    assert names.nearest("github.creat_isue")[0] == "github.create_issue"
    assert names.nearest("calendar/create_event")[0] == "calendar.createEvent"
    assert names.nearest("get_forecast")[0] == "weather.get_forecast"
    assert names.nearest("zzzzqqqq") == []
    assert names.nearest("") == []


def test_a_query_finds_what_the_definition_calls_otherwise() -> None:
    assert set(ids("a defect", 2)) == {"github.list_issues", "github.create_issue"}
    assert ids("appointment tomorrow")[0] == "calendar.createEvent"


def test_a_word_itself_counts_more_than_its_synonym() -> None:
    tools = [Entry("s", "purchase", "make a purchase"), Entry("s", "order", "make an order")]
    assert [hit.tool.name for hit in Index(tools).search("order", 2)] == ["order", "purchase"]


def test_a_catalogue_has_synonyms_of_its_own_words_and_phrases_alike() -> None:
    tools = [Entry("s", "open_vorgang", "Open a Vorgang"), Entry("s", "list_cars", "List cars")]
    assert Index(tools).search("support docket", 3) == []
    own = words([["Vorgang", "docket"], ["rolling stock", "cars"]])
    assert [hit.tool.name for hit in Index(tools, own).search("dockets", 3)] == ["open_vorgang"]
    assert [hit.tool.name for hit in Index(tools, own).search("where is our rolling stock", 3)] == ["list_cars"]
    assert [hit.tool.name for hit in Index(tools, own).search("rolling", 3)] == []


def test_a_phrase_is_found_only_where_all_its_words_are() -> None:
    tools = [Entry("s", "a", "request time off"), Entry("s", "b", "switch off"), Entry("s", "c", "time of day")]
    assert [hit.tool.name for hit in Index(tools).search("vacation", 3)] == ["a"]


def test_each_step_of_a_long_query_finds_its_tool_among_the_first() -> None:
    task = "Merge the pull request of Ana, get the forecast for Oslo and create an event with her on Monday."
    assert set(ids(task, 4)) >= {"github.merge_pull_request", "weather.get_forecast", "calendar.createEvent"}


def test_the_filter_holds_for_every_step_and_for_queries_asked_before() -> None:
    index = Index(TOOLS)
    task = "merge the pull request, then list the issues"
    assert index.search(task, 3) and index.search("merge pull request", 3)
    assert index.search("merge pull request", 3, allow=lambda tool: False) == []
    assert {hit.tool.name for hit in index.search(task, 3, allow=lambda tool: tool.name == "list_issues")} == {"list_issues"}


def test_the_queries_that_are_remembered_are_bounded() -> None:
    index = Index(TOOLS)
    for number in range(search.REMEMBERED + 100):
        index.search(f"issue number {number}", 3)
    index.search("issue " * 100, 3)
    assert len(index._recent) == search.REMEMBERED
    assert all(len(query) <= search.REMEMBERED_LENGTH for query, _ in index._recent)
    assert len(index._expanded) < 50


def test_two_rankings_meet_by_rank_and_not_by_score() -> None:
    assert [number for number, _ in fuse([[(1, 900.0), (2, 1.0)], [(2, 0.9), (3, 0.8)]])] == [2, 1, 3]
    assert fuse([[], []]) == []


def test_what_is_kept_of_expanded_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "EXPANDED_PAIRS", 5)
    index = Index(TOOLS)
    for query in ("bug", "appointment", "rain", "town", "remote", "bug"):
        assert [hit.tool.id for hit in index.search(query, 3)] == ids(query)
    assert sum(map(len, index._expanded.values())) <= 5


def test_the_order_does_not_depend_on_how_this_process_hashes_words() -> None:
    tools = [Entry("s", f"t{number}", " ".join(f"word{other}" for other in range(number % 7, 40))) for number in range(60)]
    query = " ".join(f"word{number}" for number in range(40))
    program = (
        "import json, sys; from tests.unit.server.test_search import Entry, Index\n"
        "tools = [Entry('s', name, text) for name, text in json.loads(sys.argv[1])]\n"
        "print([(hit.tool.id, hit.score) for hit in Index(tools).search(sys.argv[2], 20)])"
    )
    given = json.dumps([(tool.name, tool.description) for tool in tools])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, given, query],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
