"""Is the right tool found? Labelled queries against the search of the data plane, over the catalogue that is shipped or any other.

The last line: `recall hit1=… hit5=… hit8=… queries=… tools=… servers=…`, in percent, over all queries of all styles and both splits. A query is a hit
at k when one right tool is among the first k; for whole tasks, which need several tools, recall of all of them is a table of its own. Neither
a model nor a network takes part, unless an embedding endpoint is named, whose ranking is then fused as the server does it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.figures import line, percentile
from bench.recall_embedding import rankings
from bench.recall_figures import CUTS, Answered, percent, row, task_row
from bench.recall_files import SHIPPED, BadFile, Query, Server, convert_livemcpbench, load_catalogue, load_tasks
from mcp_optimizer.meaning.client import EmbeddingFailed
from mcp_optimizer.search import Index, term_weights
from mcp_optimizer.synonyms import words
from mcp_optimizer.text import terms
from mcp_optimizer_api.config import EmbeddingConfig

DEPTH = 20
REPEATS = 5


@dataclass(frozen=True)
class Entry:
    """A tool as the index wants it."""

    server: str
    title: str
    definition: dict[str, Any]

    @property
    def id(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.definition['name']}"

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """Its terms."""
        return term_weights(self.server, self.title, self.definition)


def entries(catalogue: Sequence[Server]) -> list[Entry]:
    """All tools in the order of the catalogue."""
    return [Entry(server.name, server.title, tool) for server in catalogue for tool in server.tools]


Search = Callable[[str, int], tuple[str, ...]]


def searcher(
    tools: Sequence[Entry], synonyms: Sequence[Sequence[str]] = (), also: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Search:
    """The data plane's search over these tools, with a catalogue's synonyms, and rankings by meaning of the queries."""
    index = Index(tools, words(synonyms))
    return lambda query, limit: tuple(hit.tool.id for hit in index.search(query, limit, also=also.get(query, ())))


def answer(search: Search, query: Query) -> Answered:
    """The first 8 are what a client gets that asks for 8: the cut is part of the ranking."""
    first = search(query.text, max(CUTS))
    return Answered(query, first + tuple(tool for tool in search(query.text, DEPTH) if tool not in first))


def times(build: Callable[[], Search], queries: Sequence[Query]) -> list[float]:
    """Milliseconds of each search for 8 tools, nothing of it remembered from a search before."""
    taken = []
    for _ in range(REPEATS):
        search = build()
        for query in queries:
            started = time.perf_counter()
            search(query.text, max(CUTS))
            taken.append((time.perf_counter() - started) * 1000)
    return taken


def copied(query: Query, tools: Mapping[str, Entry]) -> float:
    """Share of the query's terms that a right tool's definition has: how far the query copies what it looks for."""
    words = set(terms(query.text))
    return max(len(words & set(tools[gold].weights)) for gold in query.gold) / len(words) if words else 0.0


def report(answers: Sequence[Answered], tools: Mapping[str, Entry], misses: str | None) -> None:
    """The tables."""
    groups: list[tuple[str, list[Answered]]] = [("all", list(answers))]
    for split in dict.fromkeys(answered.query.split for answered in answers):
        groups.append((f"split {split}", [answered for answered in answers if answered.query.split == split]))
    for style in dict.fromkeys(answered.query.style for answered in answers):
        same = [answered for answered in answers if answered.query.style == style]
        share = 100 * sum(copied(answered.query, tools) for answered in same) / len(same)
        groups.append((style, same))
        for split in dict.fromkeys(answered.query.split for answered in same):
            groups.append((f"  {style}, {split}", [answered for answered in same if answered.query.split == split]))
        print(f"{style}: {share:.0f} % of a query's words are in the definition of the tool it means")
    print(f"\n{'queries':<24}{'n':>5}  " + "  ".join(f"hit@{cut} % [95 % Wilson]" for cut in CUTS) + "    MRR")
    for label, some in groups:
        print(row(label, some))
    print(f"\n{'whole tasks':<24}{'n':>5}   tools@8 servers@8 all@8   tools@20 servers@20 all@20 (% of gold, by one query)")
    for label, some in groups:
        if label == "all" or label.startswith("split"):
            print(task_row(label, some))
    for answered in answers:
        if misses is not None and answered.query.split == misses and not answered.hit(8):
            print(f"missed: {answered.query.text!r} wants {sorted(answered.query.gold)}, got {list(answered.found[:4])}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.recall", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--catalogue", type=Path, default=SHIPPED / "catalogue.json", help="servers and their tools")
    parser.add_argument("--tasks", type=Path, default=SHIPPED / "tasks.jsonl", help="labelled queries")
    parser.add_argument(
        "--format", choices=["own", "livemcpbench"], default="own", help="of both files (bench/recall_files.py describes them)"
    )
    parser.add_argument("--misses", metavar="SPLIT", help="list the queries of this split that found nothing right among 8")
    parser.add_argument("--synonyms", type=Path, help="JSON list of groups of words, as in spec.search.synonyms")
    parser.add_argument(
        "--embedding", metavar="URL", help="fuse the ranking of this endpoint; its key: the file that MCP_EMBEDDING_KEY_FILE names"
    )
    parser.add_argument("--embedding-api", choices=["openai", "tei"], default="openai", help="what the endpoint speaks")
    parser.add_argument("--embedding-model", default="", help="name of the model, for openai")
    return parser.parse_args()


def read(options: argparse.Namespace) -> tuple[list[Server], list[Query]]:
    """Catalogue and queries of either format."""
    if options.format == "livemcpbench":
        return convert_livemcpbench(options.catalogue, options.tasks)
    catalogue = load_catalogue(options.catalogue)
    return catalogue, load_tasks(options.tasks, catalogue)


def by_meaning(options: argparse.Namespace, tools: Sequence[Entry], queries: Sequence[Query]) -> dict[str, list[str]]:
    """Rankings of the embedding endpoint, when there is one."""
    if options.embedding is None:
        return {}
    config = EmbeddingConfig(url=options.embedding, model=options.embedding_model, api=options.embedding_api)
    return rankings(config, tools, [query.text for query in queries])


def main() -> None:
    """Measure and print."""
    options = arguments()
    try:
        catalogue, queries = read(options)
        tools = entries(catalogue)
        synonyms = json.loads(options.synonyms.read_bytes()) if options.synonyms else []
        also = by_meaning(options, tools, queries)
    except EmbeddingFailed as error:
        sys.exit(f"bench.recall: {options.embedding}: {error}")
    except (BadFile, OSError, ValueError) as error:
        sys.exit(f"bench.recall: {error}")
    search = searcher(tools, synonyms, also)
    answers = [answer(search, query) for query in queries]
    report(answers, {tool.id: tool for tool in tools}, options.misses)
    taken = times(lambda: searcher(tools, synonyms), queries)
    print(f"\nquery time: p50 {percentile(taken, 50):.3f} ms, p99 {percentile(taken, 99):.3f} ms (by words, uncached)")
    figures = {f"hit{cut}": percent(answers, cut) for cut in CUTS}
    print(line("recall", **figures, queries=len(queries), tools=len(tools), servers=len(catalogue)))


if __name__ == "__main__":
    main()
