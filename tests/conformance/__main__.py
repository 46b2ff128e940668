"""`python -m tests.conformance [LEG...] [--url URL] [--verbose]`: run, compare with expected.yaml, print one line of figures last."""

import argparse
import sys
import time

from tests.conformance import legs, suite, verdict
from tests.conformance.legs import LEGACY, MODERN

NAMES = [*legs.LEGS, legs.CLIENT_LEG]
KEYS = {
    "modern": [("direct", MODERN)],
    "legacy": [("direct", LEGACY)],
    "client": [(legs.CLIENT_LEG, MODERN), (legs.CLIENT_LEG, LEGACY)],
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("legs", nargs="*", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--url", help="an endpoint that runs already, judged as the leg named (default: direct)")
    parser.add_argument("--verbose", action="store_true", help="every scenario, not only failures")
    given = parser.parse_args()
    unknown = [name for name in given.legs if name not in NAMES]
    if unknown:
        parser.error(f"no leg named {', '.join(unknown)}: choose from {', '.join(NAMES)}")
    return given


def main() -> int:
    """Exit 1 when something failed that should not, or passed although it is listed."""
    given = arguments()
    ready = suite.installed()
    expected = verdict.read()
    figures: dict[tuple[str, str], verdict.Verdict] = {}
    started = time.monotonic()
    names = given.legs or (["direct"] if given.url else NAMES)
    running = {} if given.url else legs.run_all(ready, names)
    for name in names:
        found = legs.run(ready, name, given.url) if given.url else running[name].result()
        for revision, outcomes in found.items():
            judged = figures[name, revision] = verdict.judge(outcomes, expected, name, revision)
            print(f"{name} {revision}: {judged.passed}/{judged.required} after {time.monotonic() - started:.0f} s", flush=True)
            for line in judged.lines:
                if given.verbose or line.startswith("xfail"):
                    print(f"  {line}")
            for text in judged.wrong:
                print(f"  WRONG {text}")
    wrong = [text for judged in figures.values() for text in judged.wrong]
    shown = {label: [figures[key] for key in keys if key in figures] for label, keys in KEYS.items()}
    print("conformance", *(score(label, judged) for label, judged in shown.items() if judged))
    return 1 if wrong else 0


def score(label: str, judged: list[verdict.Verdict]) -> str:
    """`label=passed/required` of scored scenarios."""
    return f"{label}={sum(one.passed for one in judged)}/{sum(one.required for one in judged)}"


if __name__ == "__main__":
    sys.exit(main())
