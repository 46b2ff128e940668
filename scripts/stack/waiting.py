"""Wait for something to become true, and say what was seen when it does not."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from .shell import CommandError, get, kubectl

T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], *, seconds: float = 60, every: float = 0.2) -> T:
    """The first true answer of `probe`; after `seconds` an AssertionError with the last answer or error."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = probe()
            if answer:
                return answer
            last = answer
        except (CommandError, KeyError, IndexError, OSError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {last!r}")


def condition(kind: str, name: str, condition_type: str, namespace: str) -> dict[str, Any] | None:
    """A condition of an object's status, or None."""
    conditions = get(kind, name, namespace).get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == condition_type), None)


def ready(kind: str, name: str, namespace: str, *, seconds: float = 120) -> dict[str, Any]:
    """Wait until Ready=True for the current generation; the error shows the conditions and the Pods."""

    def probe() -> dict[str, Any] | None:
        found = get(kind, name, namespace)
        current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
        entry = next((entry for entry in found.get("status", {}).get("conditions", []) if entry["type"] == "Ready"), None)
        return found if current and entry and entry["status"] == "True" else None

    try:
        return until(f"{kind}/{name} Ready", probe, seconds=seconds, every=0.5)
    except AssertionError as error:
        seen = (
            kubectl("-n", namespace, "get", kind, name, "-o", "yaml")[-3000:]
            + kubectl("-n", namespace, "get", "pods,events", "-o", "wide")[-3000:]
        )
        raise AssertionError(f"{error}\n{seen}") from error
