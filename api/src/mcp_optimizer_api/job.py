"""The sandbox job protocol, version 2: frames on one TCP connection that the server opens to the agent in a warm Pod.

A frame is a 4-byte big-endian length followed by that many bytes of UTF-8 JSON, an object with a `type`. The server sends exactly one
`start`, then `callResult` for each `call`, and may send `cancel`. The agent answers `accepted` or `rejected` to `start`, then any number
of `call` and `output`, then exactly one `result`, then closes and ends its Pod. The first valid `start` latches the Pod for ever; every
other is rejected with 409. One with the same job id is the same server asking again, because its connection broke before it heard anything: it
gets its job back with everything the agent sent so far, or 409 with state `yours` once that is not possible any more. No id ever runs twice.

A `start` with `files` is followed by `file` frames with their bytes, in that order; the code runs when all are there. With `artifacts`, what
the job left in its folder of that name comes as `artifact` frames before `result`, when every process of the job has been killed. Both hold
for `run` as well: there the processes stand still, and what has not changed since an earlier run had it taken is not sent again.

A `start` with `session` makes the Pod a session's: a `result` with `open` leaves the connection, and the worker with its variables, for the
next `run`. Runs are counted, `start` is run 1; every frame about a run carries its number, so that nothing late is taken for the next
one's. Between runs the agent may send `ended` and close; the server ends a session by closing.
"""

import hashlib
import hmac
from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Document

MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_CALL_BYTES = 1024 * 1024
"""Of a `call` frame: parsed JSON can take many times its size in memory, and a server Pod holds the calls of many jobs."""
QUESTION = "$"
"""A `call` of a tool whose name begins so is a question to the endpoint itself, about its tools: `$servers`, `$stubs`, `$search`, `$describe`.

No tool has such a name, because names of servers begin with a letter. A server that does not know the question answers 404.
"""
MAX_QUESTIONS = 200
"""Of one job. They do not count as its tool calls."""


def pod_token(pool_key: bytes, pod_name: str) -> str:
    """The token that proves to the Pod `pod_name` that the caller may use the pool: HMAC-SHA256, hexadecimal."""
    return hmac.new(pool_key, pod_name.encode(), hashlib.sha256).hexdigest()


def token_digest(token: str) -> str:
    """What the Pod knows of its token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


class RunLimits(Document):
    """Bounds of one run, which start anew with the next."""

    timeout_seconds: float
    max_calls: int
    max_output_bytes: int
    """Of stdout and of stderr, each."""
    max_result_bytes: int


class JobLimits(RunLimits):
    """Bounds the agent enforces on one job. Those of its processes hold for all runs of a session."""

    max_processes: int
    memory_bytes: int
    """Address space of the job; the container's limit is the backstop."""


class SessionTerms(Document):
    """How long the agent keeps a session: without a run, and in all. It ends the Pod by itself, whatever became of the server."""

    idle_seconds: float
    max_seconds: float


class FileNotice(Document):
    """A file to come. The name is one that `filenames.why_no_name` has nothing against."""

    name: str
    size: int


class ArtifactLimits(Document):
    """Bounds on the files that are taken of a job, or of one run of a session."""

    max_count: int
    max_bytes: int
    """Of all together."""


class Start(Document):
    """Server to agent: run this code. `code` and `params` are data; nothing of them is ever spliced into source or argv."""

    type: Literal["start"] = "start"
    version: Literal[2] = 2
    token: str
    job: str
    code: str
    params: dict[str, Any] = Field(default={})
    limits: JobLimits
    session: SessionTerms | None = None
    """None: the Pod ends with this run."""
    seed: int | None = None
    """Of `random`, below 2**53; None: another one in each Pod."""
    files: list[FileNotice] = Field(default=[])
    artifacts: ArtifactLimits | None = None
    """None: none are taken."""


class File(Document):
    """Server to agent: the next bytes, in base64, of the files that `start` or `run` announced."""

    type: Literal["file"] = "file"
    data: str


class Run(Document):
    """Server to agent, in an open session: run this next, in the same process. `run` is one more than that of the last."""

    type: Literal["run"] = "run"
    run: int
    code: str
    params: dict[str, Any] = Field(default={})
    limits: RunLimits
    files: list[FileNotice] = Field(default=[])
    artifacts: ArtifactLimits | None = None


class CallError(Document):
    """Why a tool call failed: `code` as in the meta-tools' envelope (400, 403, 404, 408, 409, 429, 500, 502, 503)."""

    code: int
    message: str


class CallResult(Document):
    """Server to agent: answer to the call with the same `seq`. Exactly one of `value` and `error` counts, told by `ok`."""

    type: Literal["callResult"] = "callResult"
    run: int = 1
    seq: int
    ok: bool
    value: Any = None
    error: CallError | None = None


class Cancel(Document):
    """Server to agent: stop the job, and its session with it. Closing the connection means the same."""

    type: Literal["cancel"] = "cancel"


class Accepted(Document):
    """Agent to server: the Pod is yours."""

    type: Literal["accepted"] = "accepted"
    job: str


class Rejected(Document):
    """Agent to server: 400 malformed start, 401 wrong token, 409 not claimable. With 409, `state` says what became of the job of this id:
    `warming` and `claimed` (by another) that it never began here, `yours` that it did."""

    type: Literal["rejected"] = "rejected"
    code: Literal[400, 401, 409]
    message: str
    state: Literal["warming", "claimed", "yours"] | None = None


class Call(Document):
    """Agent to server: the job calls `tool` ("server.tool"), or asks a question (`QUESTION`)."""

    type: Literal["call"] = "call"
    run: int = 1
    seq: int
    tool: str
    arguments: dict[str, Any] = Field(default={})


class Output(Document):
    """Agent to server: the job printed. `data` is text; bytes that are no UTF-8 are replaced."""

    type: Literal["output"] = "output"
    run: int = 1
    stream: Literal["stdout", "stderr"]
    data: str


class Artifact(Document):
    """Agent to server: the next bytes, in base64, of a file of `size` bytes that the job left behind. Files come one after the other."""

    type: Literal["artifact"] = "artifact"
    name: str
    size: int
    data: str


class LeftOut(Document):
    """A file that was not taken. `name` is for people: characters that hide others are replaced."""

    name: str
    reason: str


class JobError(Document):
    """Why a job did not succeed. `kind`: exception | timeout | memory | killed | cancelled | result_too_large | result_not_json."""

    kind: str
    message: str
    traceback: str = ""


class Result(Document):
    """Agent to server: the end of a run. `stdout_truncated`/`stderr_truncated` count bytes dropped beyond the limit."""

    type: Literal["result"] = "result"
    run: int = 1
    ok: bool
    open: bool = False
    """The session goes on: the next `run` may come."""
    value: Any = None
    error: JobError | None = None
    calls: int = 0
    duration_ms: float
    stdout_truncated: int = 0
    stderr_truncated: int = 0
    left_out: list[LeftOut] = Field(default=[])


class Ended(Document):
    """Agent to server, between the runs of a session: it is over, and why. The connection closes."""

    type: Literal["ended"] = "ended"
    message: str


AgentFrame = Annotated[Accepted | Rejected | Call | Output | Artifact | Result | Ended, Field(discriminator="type")]
ServerFrame = Annotated[Start | File | Run | CallResult | Cancel, Field(discriminator="type")]
