"""Finding tools by words: BM25 over weighted fields, built once per snapshot, read without locks.

Pure functions of the catalogue: 5,000 tools take a tenth of a second to index and well under a millisecond to search.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from .synonyms import FACTOR, Phrase, Thesaurus, words
from .text import terms

K1 = 1.4
B = 0.75
NAME_WEIGHT = 3.0
SERVER_SHARE = 0.6
"""At most this share of the hits comes from one server while others have hits too."""

CLAUSES = re.compile(r"[.,;:?!\n]+(?:\s|$)|\b(?:and|then)\b", re.IGNORECASE)
MAX_CLAUSES = 8
CLAUSE_DEPTH = 5
RANK_DAMPING = 3
EXPANDED_PAIRS = 100_000
"""Tools of expanded words that are kept, about 10 MB: a word in a catalogue of 500 tools has some sixty."""
REMEMBERED = 512
REMEMBERED_LENGTH = 200
"""Characters: longer queries are hardly asked twice in the same words."""
LIKENESS = 0.3
MAX_LOOKED_AT = 5000
MAX_COMPARED = 100
_SEPARATORS = re.compile(r"[^a-z0-9]+")


class Searchable(Protocol):
    """What the index keeps per tool."""

    @property
    def id(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def weights(self) -> Mapping[str, float]: ...


T = TypeVar("T", bound=Searchable)


def term_weights(server: str, server_title: str, definition: Mapping[str, Any]) -> dict[str, float]:
    """How often each term occurs in the fields of one tool, names counting more."""
    weights: dict[str, float] = {}
    for term in terms(definition["name"]):
        weights[term] = weights.get(term, 0.0) + NAME_WEIGHT
    texts = [server, server_title, str(definition.get("title") or ""), str(definition.get("description") or "")]
    properties = definition["inputSchema"].get("properties")
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        texts.append(name)
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            texts.append(schema["description"][:500])
    for term in terms(" . ".join(texts)):
        weights[term] = weights.get(term, 0.0) + 1.0
    return weights


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A tool and how well it fits."""

    tool: T
    score: float


class Index(Generic[T]):
    """BM25 over a fixed list of tools."""

    def __init__(self, tools: Sequence[T], synonyms: Thesaurus | None = None) -> None:
        self._tools = tools
        self._words = words() if synonyms is None else synonyms
        lengths = [sum(tool.weights.values()) for tool in tools]
        average = (sum(lengths) / len(lengths) if lengths else 0.0) or 1.0
        postings: dict[str, list[tuple[int, float]]] = {}
        for number, tool in enumerate(tools):
            norm = K1 * (1 - B + B * lengths[number] / average)
            for term, weight in tool.weights.items():
                postings.setdefault(term, []).append((number, weight * (K1 + 1) / (weight + norm)))
        for term, found in postings.items():
            idf = math.log(1 + (len(tools) - len(found) + 0.5) / (len(found) + 0.5))
            postings[term] = [(number, idf * weight) for number, weight in found]
        self._postings = postings
        self._expanded: dict[Phrase, Sequence[tuple[int, float]]] = {}
        self._pairs = 0
        self._recent: dict[tuple[str, int], list[Hit[T]]] = {}

    def parts(self) -> list[Any]:
        """The many small lists it is made of."""
        return list(self._postings.values())

    def search(self, query: str, limit: int, allow: Callable[[T], bool] | None = None, also: Sequence[str] = ()) -> list[Hit[T]]:
        """The best `limit` tools among those that `allow` admits, best first; ties in catalogue order. `also`: identifiers of tools as
        somebody else ranks them for this query, whose ranks count as much as those by words."""
        key = (query, limit)
        if allow is None and not also and (known := self._recent.get(key)) is not None:
            return known
        best = self._best(query, limit * 4, allow)
        if also:
            best = fuse([best, self._admitted(also, allow)])
        hits = _diverse([Hit(self._tools[number], score) for number, score in best], limit)
        if allow is None and not also and len(query) <= REMEMBERED_LENGTH:
            if len(self._recent) >= REMEMBERED:
                del self._recent[next(iter(self._recent))]
            self._recent[key] = hits
        return hits

    def _best(self, query: str, depth: int, allow: Callable[[T], bool] | None) -> list[tuple[int, float]]:
        """Numbers of tools and their scores; a query of several clauses asks for each of them, and for the whole."""
        asked = [clause for clause in map(terms, CLAUSES.split(query)) if len(clause) > 1]
        if len(asked) < 2:
            return self._ranked(terms(query), depth, allow)
        whole = self._ranked([term for clause in asked for term in clause], depth, allow)
        return fuse([whole, whole, *(self._ranked(clause, CLAUSE_DEPTH, allow) for clause in asked[:MAX_CLAUSES])])[:depth]

    def _admitted(self, ids: Sequence[str], allow: Callable[[T], bool] | None) -> list[tuple[int, float]]:
        """Numbers of these tools; those that are gone or not allowed are left out."""
        found = (self._numbers[tool] for tool in ids if tool in self._numbers)
        return [(number, 0.0) for number in found if allow is None or allow(self._tools[number])]

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {tool.id: number for number, tool in enumerate(self._tools)}

    def _ranked(self, query: Sequence[str], depth: int, allow: Callable[[T], bool] | None) -> list[tuple[int, float]]:
        # The longest first, because a copy is faster than a loop; then always in the same order, because sums of floats depend on it.
        found = sorted(((phrase, self._found(phrase)) for phrase in self._phrases(query)), key=lambda pair: (-len(pair[1]), pair[0]))
        scores: dict[int, float] = dict(found[0][1]) if found else {}
        known = scores.get
        for _, postings in found[1:]:
            for number, weight in postings:
                scores[number] = known(number, 0.0) + weight
        if allow is not None:
            scores = {number: score for number, score in scores.items() if allow(self._tools[number])}
        best = list(scores.items())
        if len(best) > depth:
            least = sorted(scores.values())[-depth]
            best = [pair for pair in best if pair[1] >= least]
        best.sort(key=lambda pair: (-pair[1], pair[0]))
        return best[:depth]

    def _phrases(self, query: Sequence[str]) -> set[Phrase]:
        """Each term, and each run of terms that has synonyms."""
        phrases: set[Phrase] = {(term,) for term in query}
        for length in range(2, self._words.longest + 1):
            runs = zip(*(query[start:] for start in range(length)), strict=False)
            phrases.update(run for run in runs if run in self._words.related)
        return phrases

    def _found(self, phrase: Phrase) -> Sequence[tuple[int, float]]:
        """What the phrase and its synonyms score for each tool that has one of them; worked out when first asked for."""
        related = self._words.related.get(phrase, ())
        if not related:
            return self._postings.get(phrase[0], ())
        known = self._expanded.get(phrase)
        if known is None:
            scores = dict(self._postings.get(phrase[0], ())) if len(phrase) == 1 else {}
            factor = FACTOR if len(phrase) == 1 else 1.0  # a phrase says more than its words, which are looked for besides
            for other in related:
                for number, weight in self._having(other):
                    scores[number] = max(scores.get(number, 0.0), factor * weight)
            known = tuple(scores.items())
            self._pairs += len(known)
            if self._pairs > EXPANDED_PAIRS:
                self._expanded.clear()
                self._pairs = len(known)
            self._expanded[phrase] = known
        return known

    def _having(self, phrase: Phrase) -> Iterable[tuple[int, float]]:
        """Tools with all terms of the phrase, and what they score on average."""
        if len(phrase) == 1:
            return self._postings.get(phrase[0], ())
        parts = [dict(self._postings.get(term, ())) for term in phrase]
        common = parts[0].keys() & set.intersection(*(set(part) for part in parts[1:]))
        return [(number, sum(part[number] for part in parts) / len(parts)) for number in sorted(common)]


def fuse(rankings: Iterable[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: what stands high in any ranking stands high in the result; scores of different kinds never meet."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (number, _) in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + 1 / (RANK_DAMPING + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _diverse(hits: list[Hit[T]], limit: int) -> list[Hit[T]]:
    """The first `limit` hits, holding back those beyond a server's share while another server has hits to show."""
    share = max(1, math.ceil(limit * SERVER_SHARE))
    taken: list[Hit[T]] = []
    held: list[Hit[T]] = []
    per_server: Counter[str] = Counter()
    for hit in hits:
        per_server[hit.tool.server] += 1
        (taken if per_server[hit.tool.server] <= share else held).append(hit)
    kept = taken[:limit] + held[: max(0, limit - len(taken))]
    return sorted(kept, key=lambda hit: -hit.score)


class NearestNames:
    """Names that look like a misspelt one: overlap of character trigrams."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sizes: dict[str, int] = {}
        self._having: dict[str, list[str]] = {}
        for name in names:
            grams = _trigrams(name)
            self._sizes[name] = len(grams)
            for gram in grams:
                self._having.setdefault(gram, []).append(name)

    def nearest(self, wrong: str, limit: int = 3) -> list[str]:
        """At most `limit` names, most alike first; empty when nothing is alike."""
        grams = _trigrams(wrong[:256])
        shared: Counter[str] = Counter()
        looked = 0
        # Rare ones first: what half of all names have in common tells them apart from nothing, and takes a tenth of a second to count.
        for having in sorted((self._having[gram] for gram in grams if gram in self._having), key=len):
            looked += len(having)
            if shared and looked > MAX_LOOKED_AT:
                break
            shared.update(having)
        likely = ((name, len(grams & _trigrams(name))) for name, _ in shared.most_common(MAX_COMPARED))
        scored = ((2 * count / (len(grams) + self._sizes[name]), name) for name, count in likely)
        best = sorted(((score, name) for score, name in scored if score >= LIKENESS), key=lambda pair: (-pair[0], pair[1]))
        return [name for _, name in best[:limit]]


def _trigrams(name: str) -> set[str]:
    padded = f"  {'.'.join(_SEPARATORS.split(name.lower()))} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
