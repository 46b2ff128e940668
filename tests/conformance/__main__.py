"""`python -m tests.conformance [LEG...] [--url URL] [--verbose]`: run, compare with expected.yaml, print one line of figures last."""

import argparse
import sys
import time

from tests.conformance import legs, suite, verdict
from tests.conformance.legs import LEGACY, MODERN


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("legs", nargs="*", help=f"of {', '.join(legs.LEGS)} (default: all)")
    parser.add_argument("--url", help="an endpoint that runs already, judged as the leg named (default: direct)")
    parser.add_argument("--verbose", action="store_true", help="every scenario, not only failures")
    given = parser.parse_args()
    unknown = [name for name in given.legs if name not in legs.LEGS]
    if unknown:
        parser.error(f"no leg named {', '.join(unknown)}: choose from {', '.join(legs.LEGS)}")
    return given


def main() -> int:
    """Exit 1 when something failed that should not, or passed although it is listed."""
    given = arguments()
    ready = suite.installed()
    expected = verdict.read()
    figures: dict[tuple[str, str], verdict.Verdict] = {}
    for name in given.legs or (["direct"] if given.url else list(legs.LEGS)):
        started = time.monotonic()
        leg = legs.LEGS[name]
        found = {rev: ready.server(given.url, rev, chosen) for rev, chosen in leg.scenarios.items()} if given.url else legs.run(ready, leg)
        for revision, outcomes in found.items():
            judged = figures[name, revision] = verdict.judge(outcomes, expected, name, revision)
            print(f"{name} {revision}: {judged.passed}/{judged.required} in {time.monotonic() - started:.1f} s")
            for line in judged.lines:
                if given.verbose or line.startswith("xfail"):
                    print(f"  {line}")
            for text in judged.wrong:
                print(f"  WRONG {text}")
    wrong = [text for judged in figures.values() for text in judged.wrong]
    score = [f"{label}={figures[key].passed}/{figures[key].required}" for label, key in KEYS.items() if key in figures]
    print("conformance", *score)
    return 1 if wrong else 0


KEYS = {"modern": ("direct", MODERN), "legacy": ("direct", LEGACY)}

if __name__ == "__main__":
    sys.exit(main())
