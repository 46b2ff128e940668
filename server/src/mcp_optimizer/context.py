"""What a call brings along from whoever made it to the server that answers it.

Every path to a server takes one of these: the SDK-hosted endpoint, the fast path, meta-tools, code in sandboxes. `PLAIN` and `JOB` are shared
instances for calls that bring nothing, which are nearly all.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

OnNotification = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Told `(method, params)` of each notification of the server about this call, in order, before its result: `notifications/progress` (its params
without a token: the client's own belongs there) and `notifications/message`. Both are checked and bounded already. While it waits, nothing
more is read from the server, so that a slow client slows its own call and fills no memory. A caller that can still choose the form of its
answer may take the first one as the sign that it has to be a stream."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """What comes with a call. `via` tells a client's call from that of a job's code."""

    via: Literal["client", "job"] = "client"
    on_notification: OnNotification | None = None
    """None when the client takes none: the server is then not asked for any."""
    progress: bool = False
    """Whether the client sent a progress token."""
    log_level: str | None = None
    """The least severe log messages it wants; None for none."""
    own_names: bool = False
    """Whether the client sees this one server under its own names, and not one of many: log messages then keep their logger's name."""
    client_capabilities: Mapping[str, Any] | None = None
    """What a modern client can be asked (`elicitation`, `sampling`, `roots`); None for callers that nobody can ask: legacy clients and jobs."""
    input_responses: Mapping[str, Any] | None = None
    """Its answers to what the server asked in an earlier round of this call."""
    request_state: str | None = None
    """What it was given to send back in that round: sealed by us on its way to `Invoker`, the server's own behind it."""
    trace: Mapping[str, str] | None = None
    """`traceparent`, `tracestate` and `baggage` for the request's `_meta`."""


PLAIN: Final = CallContext()
JOB: Final = CallContext(via="job")
