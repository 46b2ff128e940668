"""Reads the counters of a server Pod as what they are: text from a Pod that may have been broken into.

Whatever it says, a status must still be one that the API server accepts, and costs no more memory and time than an honest one.
"""

import json
from typing import Final

from mcp_optimizer_api.stats import ServerStats

MAX_BYTES: Final = 2 * 1024 * 1024
"""A thousand upstreams, each with an error to tell, take a quarter of it."""
MAX_NUMBER: Final = 2.0**53
"""Every counter of the API and every sum of two stays a 64-bit integer."""
_MAX_DIGITS: Final = 32


def read_stats(body: bytes) -> ServerStats:
    """The counters; ValueError for everything that cannot be some."""
    try:
        document = json.loads(body, parse_int=_integer, parse_float=_real, parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return ServerStats.model_validate(document)


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(_within(int(text)))


def _real(text: str) -> float:
    return _within(float(text))


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _within(number: float) -> float:
    # Nothing that is counted or timed is negative.
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number:g} is out of range")
    return number
