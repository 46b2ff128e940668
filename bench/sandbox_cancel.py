"""How long a job outlives its client: from the closed connection to the end of the job's process, seen on this machine, the node of a local cluster."""

import threading
import time
from pathlib import Path

from bench.figures import percentile
from bench.sandbox_client import Target, job_client_of
from bench.sandbox_cluster import watched

NAME = "bench-busy"
BUSY = f"open('/proc/self/comm', 'w').write('{NAME}')\nwhile True: pass"
LEAVE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.0005


def cancelled(target: Target, rounds: int) -> list[float]:
    """Milliseconds of each job that was busy when its client left; none where its process cannot be seen from here."""
    times: list[float] = []
    with watched(target) as pool, job_client_of(target) as client:
        for _ in range(rounds):
            pool.wait_for_warm(1)
            end = _End()
            thread = threading.Thread(target=end.watch)
            thread.start()
            (answer,) = client.send(target.url, [{"code": BUSY}], leave=LEAVE_SECONDS)
            thread.join()
            if end.at is not None:
                times.append((end.at - answer["left"]) * 1000)
    print(
        f"    {len(times)} jobs after their client left: p50 {percentile(times, 50):.1f} ms, max {max(times, default=float('nan')):.1f} ms",
        flush=True,
    )
    return times


class _End:
    """When the process of the job ended, as time of day."""

    at: float | None = None

    def watch(self) -> None:
        """Until it has come and gone."""
        deadline, found = time.monotonic() + PATIENCE_SECONDS, None
        while time.monotonic() < deadline:
            if found is None:
                found = next((process for process in Path("/proc").glob("[0-9]*") if _is_ours(process) and _runs(process)), None)
            elif not _runs(found):
                self.at = time.time()
                return
            time.sleep(LOOK_SECONDS if found else 0.05)


def _is_ours(process: Path) -> bool:
    try:
        return (process / "comm").read_text().strip() == NAME
    except OSError:
        return False


def _runs(process: Path) -> bool:
    """Neither gone nor waiting to be collected."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
