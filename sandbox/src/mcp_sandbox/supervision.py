"""The agent's side of the job that has the Pod: one run, or those of a session. Enforces time, ends everything, reports how each run ended.

Between the runs of a session only the worker is left, and it stands still: whatever the last run left behind, threads or processes, gets
neither time nor output that nobody asked for.
"""

import asyncio
from collections.abc import Callable

from .census import Census
from .delivery import Delivery
from .frames import FrameError, decode, encode
from .inbox import Inbox
from .memory import oom_kills
from .outbox import Outbox, Taken
from .owner import Owner
from .processes import freeze, halt, kill_all_others, kill_group, rests, thaw, went_on
from .request import JobRequest, Refusal, RunRequest, parse_run
from .run import MAX_TEXT, Outcome, Run, failure
from .stream import FrameStream
from .worker import Worker, run_frame, start_frame

CHANNEL_GRACE_SECONDS = 1.0
HALT_SECONDS = 0.25
"""How long a worker that has reported may take to stand still. One that is sent SIGCONT all the time never does."""
DELIVERED, UNDELIVERED = 0, 4
ENDS_SESSION = frozenset({"memory"})
"""Errors that a worker reports and does not survive whole."""


class RunningJob:
    """Created by the claim, lives until the Pod ends."""

    def __init__(self, request: JobRequest, owner: Owner, channel: FrameStream, worker: Worker, finished: Callable[[int], None]) -> None:
        self._request, self._owner, self._channel, self._worker, self._finished = request, owner, channel, worker, finished
        self._run: Run | None = None
        """None between the runs of a session."""
        self._runs = 0
        self._timer: asyncio.TimerHandle | None = None
        """The end of the run, or of the wait for the next one."""
        self._ending = False
        self._full: set[FrameStream | Owner] = set()
        self._oom_kills = worker.oom_kills
        self._exit_code: int | None = None
        self._inbox = Inbox(worker.workdir, ())
        self._delivery: Delivery | None = None
        """While files of a run that has ended are sent."""
        self._taken: dict[str, Taken] = {}
        """Files that the server has from earlier runs of the session."""
        self._frozen = False
        """Whether the worker stands still: from the end of a run of a session until the code of the next one may begin."""
        self._census = Census(request.processes.max_processes, self._too_many_processes)

    @property
    def name(self) -> str:
        """The job's id."""
        return self._request.job

    def begin(self) -> None:
        """Tell both sides, start the clock."""
        self._owner.send(encode({"type": "accepted", "job": self._request.job}))
        if self._request.session is not None:
            asyncio.get_running_loop().call_later(self._request.session.max_seconds, self._life_is_over)
        self._begin_run(self._request.first)

    def from_owner(self, body: bytes) -> None:
        """A frame of the server that owns this Pod."""
        try:
            frame = decode(body)
            kind = frame.get("type")
            if kind == "cancel":
                self.fail("cancelled", "the job was cancelled")
            elif kind == "file":
                self._take_file(frame)
            elif kind == "run":
                self._next_run(frame)
            elif kind == "callResult" and self._run is not None:
                self._run.answered(frame, body)
                self._regulate()
        except (FrameError, Refusal) as error:
            self.fail("cancelled", f"the server sent a malformed frame: {error}")

    def from_worker(self, body: bytes) -> None:
        """A frame of the worker, or of a job that found its socket."""
        if self._ending or self._run is None or self._frozen:
            return
        try:
            outcome = self._run.from_worker(body)
        except FrameError as error:
            self.fail("killed", f"the job broke the protocol with its agent: {error}")
            return
        if outcome is None:
            self._regulate()
        elif self._request.session is None or outcome.get("error", {}).get("kind") in ENDS_SESSION:
            self._end(outcome, reported=True)
        else:
            self._rest(outcome)

    def child_changed(self) -> None:
        """Some process below the agent ended, stopped or went on: the worker may not while it is to stand still."""
        if self._frozen and went_on(self._worker.pid):
            kill_all_others()
            self.fail("killed", "the job went on by itself between two runs of its session and was ended")

    def worker_exited(self, exit_code: int) -> None:
        """The worker is gone. Its last frames may still be unread: end its children, so that the channel runs dry and closes."""
        self._exit_code = exit_code
        if not self._ending:
            kill_all_others()
            asyncio.get_running_loop().call_later(CHANNEL_GRACE_SECONDS, self.channel_closed)

    def channel_closed(self) -> None:
        """Nothing more will come from the worker."""
        if self._ending:
            return
        code = self._exit_code if self._exit_code is not None else kill_all_others().get(self._worker.pid)
        if oom_kills() > self._oom_kills:
            self.fail("memory", "the job was killed because its Pod ran out of memory: keep less at once, start fewer processes")
        elif code is not None and code < 0:
            self.fail("killed", f"the job was killed by signal {-code}")
        else:
            self.fail("killed", f"the job's process ended before its code did (exit code {code})")

    def owner_lost(self) -> None:
        """Nobody waits for a result any more."""
        if not self._ending:
            self._stop()
            kill_group(self._worker.pid)
            kill_all_others()
        # What a server may not have heard of is not delivered: the exit code tells it whether its job may run elsewhere.
        unheard = self._owner.may_return and self._owner.stream.broken
        cut_short = self._delivery is not None and not self._delivery.over
        self._finished(DELIVERED if self._run is None and not unheard and not cut_short else UNDELIVERED)

    def pressure(self, stream: FrameStream | Owner, full: bool) -> None:
        """A reader is slow: stop producing for it."""
        (self._full.add if full else self._full.discard)(stream)
        self._regulate()
        if self._delivery is not None and stream is self._owner:
            self._delivery.go_on(full=full)

    def fail(self, kind: str, message: str) -> None:
        """End the job with an error, the session with it."""
        self._end(failure(kind, message))

    def _begin_run(self, request: RunRequest) -> None:
        if self._runs:
            self._oom_kills = oom_kills()
        self._runs = request.number
        self._run = Run(request, self._owner, self._channel, self._worker)
        self._run.start()
        self._census.start()
        seconds = request.limits.timeout_seconds
        self._set_timer(seconds, lambda: self._time_is_up(seconds))
        self._inbox = Inbox(self._worker.workdir, request.files)
        if self._inbox.open():
            self._run_code(request)

    def _take_file(self, frame: dict[str, object]) -> None:
        if self._ending:
            return
        if self._inbox.take(frame) and self._run is not None:
            self._run_code(self._run.request)

    def _run_code(self, request: RunRequest) -> None:
        """All its files are there."""
        if self._inbox.problem is not None:
            self._without_files(request, self._inbox.problem)
        elif request.number == 1:
            self._channel.send(start_frame(self._request, self._worker.memory_limit))
        else:
            self._channel.send(run_frame(request))
            self._frozen = False
            self._regulate()
            thaw(self._worker.pid)

    def _without_files(self, request: RunRequest, problem: str) -> None:
        message = f"the code did not run, because {problem}"
        if request.number == 1:
            self.fail("killed", message)
        else:
            self._rest(failure("exception", message))

    def _rest(self, outcome: Outcome) -> None:
        """The run is over and its session is not."""
        if self._run is None or not (self._frozen or freeze(self._worker.pid)):
            self.fail("killed", "the processes that the job left running could not be ended")
            return
        self._frozen = True
        self._census.stop()
        self._channel.pause(True)
        if self._timer is not None:
            self._timer.cancel()
        if (outbox := self._outbox(outcome)) is None:
            self._settle(self._run, outcome)
            return
        run = self._run
        self._delivery = Delivery(self._owner, outbox, outcome, lambda outcome, sent: self._settle(run, outcome, sent))
        self._delivery.begin()

    def _settle(self, run: Run, outcome: Outcome, sent: Outbox | None = None) -> None:
        left_out: list[dict[str, str]] = []
        if sent is not None:
            self._taken, left_out = sent.taken, sent.left_out
        self._owner.send(run.finish(outcome, session_open=True, left_out=left_out))
        self._run = self._delivery = None
        if (session := self._request.session) is not None:
            seconds = session.idle_seconds
            self._set_timer(
                seconds, lambda: self.fail("timeout", f"the session had no run for {seconds:g} s and was ended: start a new one")
            )

    def _next_run(self, frame: dict[str, object]) -> None:
        if self._request.session is None or self._run is not None or self._ending:
            raise FrameError("a run that nobody waits for")
        self._begin_run(parse_run(frame, self._runs + 1))

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _time_is_up(self, seconds: float) -> None:
        self.fail(
            "timeout", f"the job did not finish within {seconds:g} seconds and was killed: do less, or raise spec.sandbox.timeoutSeconds"
        )

    def _life_is_over(self) -> None:
        if self._request.session is not None:
            seconds = self._request.session.max_seconds
            self.fail("timeout", f"the session has lived its {seconds:g} s (spec.sandbox.sessions.maxSeconds): start a new one")

    def _too_many_processes(self, count: int) -> None:
        limit = self._request.processes.max_processes
        self.fail("killed", f"the job had {count} processes and threads, the limit is {limit}: start fewer at once")

    def _stop(self) -> None:
        self._ending = True
        self._census.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, outcome: Outcome, *, reported: bool = False) -> None:
        """The last run is over, its session too. A worker that has reported stands still until the Pod ends: taking it down can wait, its result not."""
        if self._ending:
            return
        self._stop()
        stands = reported and halt(self._worker.pid) is not None
        if stands:
            self._channel.pause(True)
            asyncio.get_running_loop().call_later(HALT_SECONDS, self._look_after)
        else:
            kill_group(self._worker.pid)
        run, outbox, closed = self._run, self._outbox(outcome), lambda: self._finished(DELIVERED)
        left_out: list[dict[str, str]] = []
        if self._delivery is not None:
            # The run was over before its session was.
            left_out = self._delivery.abandon("the session ended before the rest was taken")
            outcome = outcome if _is_cancelled(outcome) else self._delivery.outcome
        if run is None:
            self._owner.end_with(encode({"type": "ended", "message": str(outcome["error"]["message"])[:MAX_TEXT]}), closed)
        elif outbox is not None:
            # Before the first look: nothing may change what is read.
            kill_all_others()
            self._delivery = Delivery(
                self._owner,
                outbox,
                outcome,
                lambda outcome, sent: self._owner.end_with(run.finish(outcome, session_open=False, left_out=sent.left_out), closed),
            )
            self._delivery.begin()
            return
        else:
            self._owner.end_with(run.finish(outcome, session_open=False, left_out=left_out), closed)
        if not stands:
            kill_all_others()

    def _look_after(self) -> None:
        """Kill a job that does not stand still; watch one that does, see `child_changed`."""
        self._frozen = rests(self._worker.pid)
        if not self._frozen:
            kill_all_others()

    def _outbox(self, outcome: Outcome) -> Outbox | None:
        """What the run left behind, if anybody wants it and it is not on its way already."""
        wanted = self._run.request.outbox if self._run is not None else None
        if wanted is None or self._delivery is not None or _is_cancelled(outcome):
            return None
        outbox = Outbox(self._worker.workdir, wanted, self._taken)
        return None if outbox.is_empty() else outbox

    def _regulate(self) -> None:
        if self._run is not None and not self._ending and not self._frozen:
            self._run.regulate(channel_full=self._channel in self._full, owner_full=self._owner in self._full)


def _is_cancelled(outcome: Outcome) -> bool:
    return bool(outcome.get("error", {}).get("kind") == "cancelled")
