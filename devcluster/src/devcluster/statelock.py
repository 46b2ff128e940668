"""Only one `up` or `down` of a cluster at a time; others wait for it."""

import contextlib
import fcntl
from collections.abc import Iterator

from devcluster.layout import Layout


@contextlib.contextmanager
def state_lock(layout: Layout) -> Iterator[None]:
    """Held by the kernel, so a killed process never leaves it behind."""
    layout.state.parent.mkdir(parents=True, exist_ok=True)
    with (layout.state.parent / f"{layout.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
