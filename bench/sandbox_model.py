"""How many warm Pods a rate of jobs needs, beyond what one machine can show. Pure.

A claim takes one Pod out of the pool and orders its replacement at once: a base-stock inventory with one-for-one replenishment. With Poisson
arrivals and replacements that do not wait for each other, the number of Pods on order is Poisson with mean `rate × refill seconds`, whatever the
distribution of the refill time (Palm's theorem; C. Palm 1938, see W. J. Hopp and M. L. Spearman, Factory Physics, ch. 2). A job finds no
warm Pod when that number is the size of the pool or more.

    python -m bench.sandbox_model --rate 10 --refill 2.1
"""

import argparse
import math

from bench.figures import line


def miss_share(rate: float, refill_seconds: float, warm: int) -> float:
    """Share of jobs that find no warm Pod: P(Poisson(rate × refill) ≥ warm). `rate` in jobs per second."""
    mean = rate * refill_seconds
    term, below = math.exp(-mean), 0.0
    for count in range(warm):
        below += term
        term *= mean / (count + 1)
    return max(0.0, 1.0 - below)


def warm_needed(rate: float, refill_seconds: float, share: float) -> int:
    """The smallest pool that leaves at most this share of jobs without a warm Pod."""
    warm = 0
    while miss_share(rate, refill_seconds, warm) > share:
        warm += 1
    return warm


def highest_rate(nodes: int, *, per_node: float, scheduler: float = 70.0, creations: float = 20.0) -> float:
    """Jobs per second that can last: what nodes start, what the scheduler binds, what the refill bucket creates, whichever is least."""
    return min(nodes * per_node, scheduler, creations)


def main() -> None:
    """Print a table over shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, required=True, help="jobs per second")
    parser.add_argument("--refill", type=float, required=True, help="seconds from a claim until its replacement is warm")
    options = parser.parse_args()
    shares = {f"warm_for_{share:g}_miss": warm_needed(options.rate, options.refill, share) for share in (0.1, 0.01, 0.001)}
    print(line("sandbox_model", rate=options.rate, refill_s=options.refill, on_order=options.rate * options.refill, **shares))


if __name__ == "__main__":
    main()
