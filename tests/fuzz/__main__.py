"""`python -m tests.fuzz [--requests N] [--seed S]`: a share for each mode and path, a line of figures last; exit 1 for any surprise."""

import argparse
import asyncio
import sys
import time
from collections import Counter

from tests.fuzz import hostile
from tests.fuzz.run import run

MODES = ("hybrid", "mcp_only")
PATHS = ("1", "0")
"""MCP_FAST_PATH: each path meets everything."""
REPLIES_SHARE = 10
"""One hostile reply for so many malformed requests."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, action="append")
    return parser.parse_args()


def main() -> int:
    """Run and print."""
    given = arguments()
    started = time.monotonic()
    kinds = [(mode, path) for mode in given.mode or MODES for path in PATHS]
    share = given.requests // len(kinds) + 1
    outcomes = [asyncio.run(run(given.seed + index, share, mode, MCP_FAST_PATH=path)) for index, (mode, path) in enumerate(kinds)]
    replies = [asyncio.run(hostile.run(given.seed, share // REPLIES_SHARE, mode, MCP_FAST_PATH=path)) for mode, path in kinds]
    reports = [*(outcome.report for outcome in outcomes), *replies]
    unexpected = [text for report in reports for text in report.unexpected]
    for text in unexpected[:40]:
        print(f"UNEXPECTED {text}")
    statuses = sum((report.statuses for report in reports), Counter[int]())
    print(" ".join(f"{status or 'closed'}:{count}" for status, count in sorted(statuses.items())))
    figures = {
        "requests": sum(outcome.report.requests for outcome in outcomes),
        "replies": sum(report.requests for report in replies),
        "unexpected": len(unexpected),
        "valid": sum(report.valid for report in reports),
        "rss_growth_mb": round(max(outcome.after.rss_mb - outcome.before.rss_mb for outcome in outcomes), 1),
        "fd_growth": max(outcome.after.fds - outcome.before.fds for outcome in outcomes),
        "seconds": round(time.monotonic() - started, 1),
    }
    print("fuzz", *(f"{key}={value}" for key, value in figures.items()))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
