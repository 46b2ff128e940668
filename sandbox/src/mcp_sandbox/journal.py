"""The agent's own log: one JSON object per line on stderr. Never anything that the job said or was given."""

import json
import sys
import time
from typing import Any


def log(event: str, **facts: Any) -> None:
    """One line."""
    line = {"time": round(time.time(), 3), "event": event, **facts}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()
