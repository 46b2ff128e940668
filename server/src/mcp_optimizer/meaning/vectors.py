"""The nearest of a few thousand vectors, without a numeric library: the signs of all, then the exact angle of the few that are near.

A numeric library would add 73 MB to the image and 16 MB to each replica. Comparing signs is one XOR and one population count of an integer per tool.
"""

import heapq
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

SHORTLIST = 96
"""Vectors whose exact angle is computed, at least; signs alone confuse near neighbours."""

if TYPE_CHECKING:
    Vector: TypeAlias = array[float]
else:
    Vector = array


def _sum_of_products(left: Iterable[float], right: Iterable[float]) -> float:
    return float(sum(map(mul, left, right)))


_product: Callable[[Iterable[float], Iterable[float]], float] = getattr(math, "sumprod", _sum_of_products)
"""From Python 3.12 on in C, several times as fast."""


def unit(values: Sequence[float]) -> Vector:
    """The vector at length 1; raises `ValueError` for one that has no direction."""
    length = math.sqrt(_product(values, values))
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector without direction")
    return array("f", (value / length for value in values))


class VectorIndex:
    """Vectors of tools by identifier, all of one dimension. Immutable."""

    def __init__(self, vectors: Mapping[str, Vector]) -> None:
        self._ids = list(vectors)
        rows = list(vectors.values())
        self.dimensions = len(rows[0]) if rows else 0
        # Embeddings of one catalogue lie in one corner of the space: only seen from their middle do their signs differ.
        self._middle = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        self._rows = [array("f", (value - middle for value, middle in zip(row, self._middle, strict=True))) for row in rows]
        self._lengths = [math.sqrt(_product(row, row)) or 1.0 for row in self._rows]
        self._signs = [_signs(row) for row in self._rows]

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, query: Vector, limit: int, allow: Callable[[str], bool] | None = None) -> list[str]:
        """Identifiers of the `limit` nearest vectors among those that `allow` admits, nearest first; none for a vector of another dimension."""
        if len(query) != self.dimensions:
            return []
        seen = array("f", (value - middle for value, middle in zip(query, self._middle, strict=True)))
        signs = _signs(seen)
        numbers = range(len(self._ids)) if allow is None else [number for number, tool in enumerate(self._ids) if allow(tool)]
        near = heapq.nsmallest(max(SHORTLIST, limit * 2), numbers, key=lambda number: (self._signs[number] ^ signs).bit_count())
        exact = [(-_product(self._rows[number], seen) / self._lengths[number], number) for number in near]
        return [self._ids[number] for _, number in heapq.nsmallest(limit, exact)]


def _signs(row: Sequence[float]) -> int:
    return int("".join("1" if value > 0 else "0" for value in row) or "0", 2)
