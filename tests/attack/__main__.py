"""`python -m tests.attack [--row N] [--isolation runc|gvisor] [--only attacks|proofs] [--keep]`: a line of figures last; exit 1 when one is short."""

import argparse
import asyncio
import sys
import time

from .campaign import Campaign
from .rows import all_rows
from .stage import stage
from .vocabulary import ISOLATIONS


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="attack", description=__doc__)
    parser.add_argument("--row", type=int, action="append", help="only this row; others count as missing")
    parser.add_argument("--isolation", choices=ISOLATIONS, action="append")
    parser.add_argument("--only", choices=("attacks", "proofs"))
    parser.add_argument("--keep", action="store_true", help="leave namespaces and release in place")
    return parser.parse_args()


def main() -> int:
    """Run and print."""
    given = arguments()
    isolations = tuple(given.isolation or ISOLATIONS)
    rows = [row for row in all_rows() if not given.row or row.number in given.row]
    started = time.monotonic()
    with stage(isolations, keep=given.keep) as built:
        print(f"the stage stands after {time.monotonic() - started:.0f} s", flush=True)
        campaign = Campaign(built, rows, isolations)
        asyncio.run(campaign.run(attacks=given.only != "proofs", proofs=given.only != "attacks"))
    for line in campaign.score.missing():
        print(f"MISSING {line}")
    print(f"{time.monotonic() - started:.0f} s")
    print(campaign.score.line())
    return 0 if campaign.score.complete(isolations) else 1


if __name__ == "__main__":
    sys.exit(main())
