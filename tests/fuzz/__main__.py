"""`python -m tests.fuzz [--requests N] [--seed S]`: half of them in each mode, a line of figures last; exit 1 for any surprise."""

import argparse
import asyncio
import sys
import time
from collections import Counter

from tests.fuzz.run import run

MODES = ("hybrid", "mcp_only")


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, action="append")
    given = parser.parse_args()
    started = time.monotonic()
    modes = given.mode or MODES
    outcomes = [asyncio.run(run(given.seed, given.requests // len(modes), mode)) for mode in modes]
    unexpected = [text for outcome in outcomes for text in outcome.report.unexpected]
    for text in unexpected[:40]:
        print(f"UNEXPECTED {text}")
    statuses = sum((outcome.report.statuses for outcome in outcomes), Counter[int]())
    print(" ".join(f"{status or 'closed'}:{count}" for status, count in sorted(statuses.items())))
    figures = {
        "requests": sum(outcome.report.requests for outcome in outcomes),
        "unexpected": len(unexpected),
        "valid": sum(outcome.report.valid for outcome in outcomes),
        "rss_growth_mb": round(max(outcome.after.rss_mb - outcome.before.rss_mb for outcome in outcomes), 1),
        "fd_growth": max(outcome.after.fds - outcome.before.fds for outcome in outcomes),
        "seconds": round(time.monotonic() - started, 1),
    }
    print("fuzz", *(f"{key}={value}" for key, value in figures.items()))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
