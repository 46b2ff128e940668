"""What the recall benchmark reads, computes and refuses."""

import json
from pathlib import Path

import pytest
from bench import recall
from bench.recall_figures import Answered, mean_reciprocal_rank, percent, wilson
from bench.recall_files import SHIPPED, BadFile, Query, convert_livemcpbench, load_catalogue, load_tasks

CATALOGUE = load_catalogue(SHIPPED / "catalogue.json")
TASKS = load_tasks(SHIPPED / "tasks.jsonl", CATALOGUE)
TOOLS = {tool.id: tool for tool in recall.entries(CATALOGUE)}


def query(*gold: str, style: str = "keyword") -> Query:
    return Query("anything", style, "dev", frozenset(gold))


def test_the_shipped_set_is_large_enough_to_mean_something() -> None:
    assert len(CATALOGUE) >= 15 and len(TOOLS) >= 150 and len(TASKS) >= 120
    assert {task.style for task in TASKS} == {"keyword", "paraphrase", "task"}
    assert len(TOOLS) == sum(len(server.tools) for server in CATALOGUE)
    assert len({task.text for task in TASKS}) == len(TASKS)


def test_each_style_is_split_in_halves() -> None:
    for style in ("keyword", "paraphrase", "task"):
        splits = [task.split for task in TASKS if task.style == style]
        assert set(splits) == {"dev", "test"} and abs(splits.count("dev") - splits.count("test")) <= 1


def test_paraphrases_do_not_copy_the_definition_they_mean() -> None:
    shares = [recall.copied(task, TOOLS) for task in TASKS if task.style == "paraphrase"]
    assert sum(shares) / len(shares) < 0.15


def test_whole_tasks_need_several_tools() -> None:
    assert min(len(task.gold) for task in TASKS if task.style == "task") >= 2


@pytest.mark.parametrize(("hits", "total", "low", "high"), [(0, 10, 0.0, 27.75), (10, 10, 72.25, 100.0), (50, 100, 40.38, 59.62)])
def test_the_interval_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    assert wilson(hits, total) == pytest.approx((low, high), abs=0.01)


def test_the_first_right_tool_counts_for_hits_and_every_one_for_recall() -> None:
    answered = Answered(query("a.x", "b.y", style="task"), ("c.z", "a.x", "b.q"))
    assert answered.rank == 2 and not answered.hit(1) and answered.hit(5)
    assert answered.recall(8) == 0.5 and answered.server_recall(8) == 1.0 and answered.server_recall(2) == 0.5
    nothing = Answered(query("a.x"), ())
    assert percent([answered, nothing], 5) == 50 and mean_reciprocal_rank([answered, nothing]) == 0.25


@pytest.mark.parametrize(
    ("line", "says"),
    [("{", "tasks.jsonl:1"), ('{"query": "x"}', "'gold'"), ('{"query": "x", "gold": ["chat.nothing"]}', "chat.nothing")],
)
def test_a_bad_task_file_is_refused_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(line + "\n")
    with pytest.raises(BadFile, match=says):
        load_tasks(tmp_path / "tasks.jsonl", CATALOGUE)


def test_a_bad_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").write_text("[]")
    with pytest.raises(BadFile, match=r"catalogue\.json"):
        load_catalogue(tmp_path / "catalogue.json")


def test_livemcpbench_files_are_converted(tmp_path: Path) -> None:
    offer = {"map server": {"tools": [{"name": "geocode", "description": "Find an address"}, {"name": "route", "description": "Drive"}]}}
    (tmp_path / "tools.json").write_text(json.dumps([{"name": "Maps", "description": "Maps", "tools": offer}]))
    metadata = {"Steps": "1. locate the place\n2. drive there", "Tools": "1. geocode\n2. fly"}
    (tmp_path / "annotations.json").write_text(json.dumps([{"Question": "How do I get there?", "Annotator Metadata": metadata}]))
    servers, queries = convert_livemcpbench(tmp_path / "tools.json", tmp_path / "annotations.json")
    assert [server.name for server in servers] == ["map-server"]
    assert [(item.text, item.style, set(item.gold)) for item in queries] == [
        ("How do I get there?", "task", {"map-server.geocode"}),
        ("locate the place", "step", {"map-server.geocode"}),
    ]


def test_synonyms_and_rankings_by_meaning_change_what_is_found() -> None:
    tools = list(TOOLS.values())
    assert recall.searcher(tools)("frobnicate", 8) == ()
    assert recall.searcher(tools, [["frobnicate", "refund"]])("frobnicate", 8)[0] == "payments.create_refund"
    assert recall.searcher(tools, also={"frobnicate": ["payments.create_refund"]})("frobnicate", 8) == ("payments.create_refund",)
