"""What a person sees while a cluster comes up: one line per step, with the seconds since the start."""

import sys
import time


class Progress:
    """Prints steps to stderr, so that stdout stays for results a script reads."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._quiet = quiet

    def step(self, text: str) -> None:
        """Say what begins or has just been reached."""
        if not self._quiet:
            print(f"[{time.monotonic() - self._start:6.1f}s] {text}", file=sys.stderr, flush=True)
