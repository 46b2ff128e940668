"""What `discover` shows of hits, and what it remembers of having shown them."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mcp_optimizer.discovery import Find
from mcp_optimizer.quality import Quality
from mcp_optimizer.search import Index, term_weights
from mcp_optimizer.tools.discover import FULL_HITS, discover

OPTIONAL = {f"parameter_{number}": {"type": "string"} for number in range(8)}


@dataclass(frozen=True)
class Tool:
    server: str
    definition: dict[str, Any]
    lines: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.server}.{self.definition['name']}"

    @property
    def weights(self) -> dict[str, float]:
        return term_weights(self.server, "", self.definition)


def tool(number: int) -> Tool:
    schema = {"properties": {"needed": {"type": "string"}, **OPTIONAL}, "required": ["needed"]}
    return Tool(f"server-{number}", {"name": "send_message", "description": "Send a message.", "inputSchema": schema})


TOOLS = [tool(number) for number in range(10)]


def ask(find: Find, **arguments: Any) -> list[str]:
    snapshot: Any = SimpleNamespace(tools={}, by_server={}, config=SimpleNamespace(search_limit=8))
    return discover(snapshot, {"query": "send message", **arguments}, find).splitlines()


def test_the_first_hits_show_all_parameters_and_the_others_what_a_call_needs() -> None:
    find = Find(Index(TOOLS), (), Quality(lambda position: None))
    lines = ask(find)[:8]
    assert all("parameter_7?: str)" in line for line in lines[:FULL_HITS])
    assert all("needed: str" in line and "more)" in line and "parameter_7" not in line for line in lines[FULL_HITS:])
    assert all("parameter_7?: str)" in line for line in ask(find, detail="brief")[:8])


def test_calls_are_counted_by_what_a_page_showed_and_where() -> None:
    counted: list[str] = []
    quality = Quality(counted.append)
    find = Find(Index(TOOLS), (), quality)
    first = ask(find, limit=2)
    second = ask(find, limit=2, cursor=first[-1].split()[-1])
    for line in (first[1], second[1]):
        quality.called(line.split("(")[0])
    quality.called(TOOLS[9].id)
    assert counted == ["2", "4-5", "not_found"]
