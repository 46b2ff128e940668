"""One run on a claimed Pod, from `accepted` or `run` to its end, whichever way it comes. From here on it is never run again elsewhere."""

import asyncio
import contextlib
import logging
import time

from mcp_optimizer.errors import BAD_GATEWAY, INTERNAL, TOO_MANY
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer.memory import current, holding_beside
from mcp_optimizer.ration import Portion, Ration
from mcp_optimizer.visible import visible_text
from mcp_optimizer_api.job import (
    MAX_CALL_BYTES,
    MAX_QUESTIONS,
    QUESTION,
    AgentFrame,
    Artifact,
    Call,
    CallError,
    CallResult,
    Cancel,
    Ended,
    JobError,
    Output,
    Result,
    RunLimits,
)

from .files import Intake, send_files
from .wire import ProtocolError, Unsendable, Wire, encode

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 10
JOB_RATION_BYTES = 2 * 1024 * 1024
"""Of frames that one job may have open here at once; the rest waits in its Pod."""
MAX_OUTSTANDING = 64
"""Our agent stops at 16. More means that it is not our agent any more."""
FRAME_SECONDS = 15.0
"""For one frame to arrive, once it has begun. Our agent sends whole ones."""
REPORT_GRACE_SECONDS = 5.0
"""How much later than the job's own deadline its agent must have reported."""
REPORT_BYTES = 256 * 1024
"""What a result frame may hold besides the value: message, traceback, figures."""
MAX_REASON = 500
KINDS = frozenset({"exception", "timeout", "memory", "killed", "cancelled", "result_too_large", "result_not_json"})


class SessionOver(Exception):
    """The agent had ended the session when the run reached it."""


class Conversation:
    """Reads the agent's frames, runs the job's calls beside each other, gathers its output."""

    def __init__(
        self,
        wire: Wire,
        limits: RunLimits,
        on_call: OnCall,
        progress: OnOutput | None,
        ration: Ration,
        *,
        job: JobRequest,
        number: int = 1,
        kinds: frozenset[str] = KINDS,
    ) -> None:
        """`kinds`: what an error may be; another one is told as `killed`."""
        self._wire = wire
        self._job = job
        self._intake = Intake(job.artifacts, current())
        self._number = number
        self._kinds = kinds
        self.kept = False
        """Whether the connection is good for another run."""
        self._ration = ration
        self._own_ration = Ration(JOB_RATION_BYTES)
        self._limits = limits
        self._on_call = on_call
        self._progress = progress
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._calls = self._questions = 0
        self._output: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._left = {"stdout": limits.max_output_bytes, "stderr": limits.max_output_bytes}
        self._started = time.monotonic()

    async def run(self) -> JobOutcome:
        """The outcome. Cancelling this coroutine cancels the job."""
        deadline = asyncio.timeout(self._limits.timeout_seconds + REPORT_GRACE_SECONDS)
        try:
            async with deadline:
                # An agent that hung up has said why.
                with contextlib.suppress(OSError):
                    await send_files(self._wire, self._job.files)
                return self._reported(await self._until_result())
        except SessionOver as over:
            return self._ended("killed", f"the session ended before the code began: {over}")
        except ProtocolError as error:
            return self._ended("killed", f"the job's sandbox broke the protocol and was abandoned: {error}")
        except (EOFError, OSError):  # TimeoutError is an OSError, ours and the kernel's
            if deadline.expired():
                return self._ended(
                    "timeout", f"the job's sandbox did not report within {self._limits.timeout_seconds:g} s and was abandoned"
                )
            return self._ended("lost", "the job was lost with its sandbox Pod; it may have run in part and was not run again")
        except asyncio.CancelledError:
            self._wire.send_last(encode(Cancel()))
            raise
        finally:
            for task in self._tasks:
                task.cancel()
            if not self.kept:
                self._wire.close()

    async def _until_result(self) -> Result:
        limit = max(MAX_CALL_BYTES, self._limits.max_result_bytes + REPORT_BYTES)
        while True:
            size = await self._wire.next_size(limit)
            portion = Portion(size, self._own_ration, self._ration)
            handed_over = False
            try:
                await portion.take()
                frame = await self._whole_frame(size)
                if isinstance(frame, Result | Output | Call) and frame.run != self._number:
                    raise ProtocolError(f"{frame.type} of run {frame.run} in run {self._number}")
                if isinstance(frame, Result):
                    self.kept = self._job.session and frame.open
                    return frame
                if isinstance(frame, Ended) and self._number > 1:
                    raise SessionOver(frame.message[:MAX_REASON])
                if isinstance(frame, Output):
                    await self._take_output(frame)
                elif isinstance(frame, Call) and size <= MAX_CALL_BYTES and len(self._tasks) < MAX_OUTSTANDING:
                    self._begin_call(frame, portion)
                    handed_over = True
                elif isinstance(frame, Artifact):
                    self._intake.take(frame)
                else:
                    raise ProtocolError(f"unexpected {frame.type} of {size} bytes with {len(self._tasks)} calls open")
            finally:
                if not handed_over:
                    portion.release()

    async def _whole_frame(self, size: int) -> AgentFrame:
        """The frame, soon: it has its part of the ration while it arrives, and the jobs of other Pods wait for that."""
        try:
            async with asyncio.timeout(FRAME_SECONDS):
                return await self._wire.receive(size)
        except TimeoutError:
            raise ProtocolError(f"a frame of {size} bytes was not whole after {FRAME_SECONDS:g} s") from None

    def _begin_call(self, call: Call, portion: Portion) -> None:
        question = call.tool.startswith(QUESTION)
        self._questions += question
        self._calls += not question
        spent = self._questions > MAX_QUESTIONS if question else self._calls > self._limits.max_calls
        task = asyncio.create_task(self._answer(call, spent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: portion.release())

    async def _answer(self, call: Call, spent: bool) -> None:
        # A result weighs until the job has it, not until the job ends.
        async with self._slots:
            with holding_beside():
                await self._answer_now(call, spent)

    async def _answer_now(self, call: Call, spent: bool) -> None:
        outcome = await self._outcome(call, spent)
        try:
            answer = encode(CallResult(run=self._number, seq=call.seq, ok=outcome.ok, value=outcome.value, error=outcome.error))
        except Unsendable as error:
            message = f"the result of {call.tool[:200]} cannot be passed to the job: {error}"
            answer = encode(CallResult(run=self._number, seq=call.seq, ok=False, error=CallError(code=BAD_GATEWAY, message=message)))
        # A connection that is gone is the reader's to notice.
        with contextlib.suppress(OSError, RuntimeError):
            await self._wire.send(answer)

    async def _outcome(self, call: Call, spent: bool) -> CallOutcome:
        if spent:
            which = f"{MAX_QUESTIONS} questions" if call.tool.startswith(QUESTION) else f"{self._limits.max_calls} tool calls"
            return CallOutcome(ok=False, error=CallError(code=TOO_MANY, message=f"the job has used up its {which}"))
        try:
            return await self._on_call(call.tool, call.arguments)
        except Exception:
            log.exception("a job's call failed unexpectedly", extra={"tool": call.tool[:200]})
            return CallOutcome(
                ok=False, error=CallError(code=INTERNAL, message="the call failed inside the endpoint; its log has the reason")
            )

    async def _take_output(self, frame: Output) -> None:
        # The agent counts bytes before it decodes them, no byte makes more than one character, and it sends nothing empty.
        self._left[frame.stream] -= max(len(frame.data), 1)
        if self._left[frame.stream] < 0:
            raise ProtocolError(f"more {frame.stream} than the limit of {self._limits.max_output_bytes} bytes")
        self._output[frame.stream].append(frame.data)
        if self._progress is not None:
            try:
                await self._progress(frame.stream, visible_text(frame.data))
            except Exception:
                log.warning("progress of a job could not be reported", exc_info=True)
                self._progress = None

    def _reported(self, result: Result) -> JobOutcome:
        if result.ok:
            return self._outcome_of(result, None)
        error = result.error or JobError(kind="killed", message="the sandbox gave no reason")
        return self._outcome_of(
            result, error if error.kind in self._kinds else JobError(kind="killed", message=error.message, traceback=error.traceback)
        )

    def _ended(self, kind: str, message: str) -> JobOutcome:
        return self._outcome_of(Result(ok=False, duration_ms=0.0), JobError(kind=kind, message=message))

    def _outcome_of(self, result: Result, error: JobError | None) -> JobOutcome:
        return JobOutcome(
            ok=error is None,
            value=result.value if error is None else None,
            error=error,
            stdout="".join(self._output["stdout"]),
            stderr="".join(self._output["stderr"]),
            stdout_truncated=result.stdout_truncated,
            stderr_truncated=result.stderr_truncated,
            calls=self._calls,
            artifacts=self._intake.whole(),
            left_out=self._intake.left_out(result.left_out),
            duration_ms=(time.monotonic() - self._started) * 1000,
        )
