"""Finding tools by words, and identifiers by their looks."""

from dataclasses import dataclass, field

import pytest

from mcp_optimizer.search import Index, NearestNames, term_weights
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
