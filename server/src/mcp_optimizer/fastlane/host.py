"""The child process of the fast lane: `python -m mcp_optimizer.fastlane.host DESCRIPTOR SETTINGS`, started by `child`.

DESCRIPTOR is its only inherited one, a socket over which the server sends one connection for each job; SETTINGS is JSON: `memory_bytes`
of a job and `parent`, the server's process. It takes its own rights away first, then keeps sessions warm. Each job has a worker process of its own, used once.
"""

import contextlib
import json
import os
import queue
import resource
import socket
import sys
import sysconfig
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import confine
from .frames import Channel
from .worker import FOLDERS, interpreter

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontySession

NICENESS = 5
SPARE_SESSIONS = 2
MAX_WORKERS = 8
"""More than the jobs that the server sends at once, and the spare ones, so that none waits for a place."""
LONGEST_JOB_SECONDS = 305.0
"""Behind the deadline that each job has of its own."""
WORKER_SECONDS = 20.0
"""For a worker to start."""
ADDRESS_SPACE_BYTES = 3 * 1024 * 1024 * 1024
"""Threads and arenas reserve far more than they use."""
STACK_BYTES = 512 * 1024
LAUNCH = Path(__file__).with_name("launch")


def main() -> int:
    """Exit code 0 when the server has gone, 3 when this machine cannot confine us; the server is told why."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    try:
        _give_up_rights(settings["parent"])
        # Only now: the package brings a large native library.
        from pydantic_monty import Monty

        with Monty(
            binary_path=sys.executable,
            min_processes=1,
            max_processes=MAX_WORKERS,
            checkout_timeout=WORKER_SECONDS,
            max_checkouts_per_worker=1,
        ) as pool:
            Host(pool, control, settings).run()
    except (confine.Unconfined, ImportError, OSError, RuntimeError) as error:
        control.send(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}).encode())
        return 3
    return 0


def _give_up_rights(parent: int) -> None:
    confine.die_with(parent)
    confine.gain_nothing()
    os.nice(NICENESS)
    # Whoever runs out of memory in this Pod, it should be us. Raising it needs no rights.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    confine.bound({resource.RLIMIT_AS: ADDRESS_SPACE_BYTES, resource.RLIMIT_NOFILE: 256})
    # The program that a worker starts as is named by its folder: see launch/subprocess.
    os.chdir(LAUNCH)
    threading.stack_size(STACK_BYTES)
    confine.confine_host(_readable())


def _readable() -> list[Path]:
    """Programs and libraries, and nothing that is mounted into a Pod."""
    python = [Path(path) for path in (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())]
    return [*FOLDERS, *python, interpreter().resolve(), Path(__file__).parents[2]]


class Host:
    """Hands every connection to a session that is warm."""

    def __init__(self, pool: "Monty", control: socket.socket, settings: dict[str, Any]) -> None:
        self._pool = pool
        self._control = control
        self._limits: Any = {
            "max_memory": settings["memory_bytes"],
            "max_feed_duration_secs": LONGEST_JOB_SECONDS,
            "max_suspensions": 100_000,
        }
        self._spare: queue.SimpleQueue[MontySession | Exception] = queue.SimpleQueue()

    def run(self) -> None:
        """Until the server closes its end. Tells it once that the first session is warm."""
        first = self._warm_one()
        if isinstance(first, Exception):
            raise RuntimeError(f"no worker came up: {first}")
        self._spare.put(first)
        for _ in range(SPARE_SESSIONS - 1):
            self._refill()
        self._control.send(b'{"ready":true}')
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._control, 16, 1)
            if not data:
                return
            for descriptor in descriptors:
                threading.Thread(target=self._serve, args=[socket.socket(fileno=descriptor)], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        from .job import Job

        # A session that failed to start is the answer of one job, never of all.
        with sock, contextlib.suppress(OSError, EOFError, ValueError, KeyError):
            session = self._spare.get()
            self._refill()
            if isinstance(session, Exception):
                return
            try:
                channel = Channel(sock)
                Job(session, channel, channel.receive()).run()
                channel.close()
            finally:
                with contextlib.suppress(Exception):
                    session.__exit__(None, None, None)

    def _refill(self) -> None:
        threading.Thread(target=lambda: self._spare.put(self._warm_one()), daemon=True).start()

    def _warm_one(self) -> "MontySession | Exception":
        from .job import PRELUDE

        try:
            session = self._pool.checkout(script_name="<job>", limits=self._limits, assert_message_annotations=False)
            session.__enter__()
            session.feed_run(PRELUDE)
        except Exception as error:
            return error
        return session


if __name__ == "__main__":
    sys.exit(main())
