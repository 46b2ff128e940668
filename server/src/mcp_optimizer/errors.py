"""The one way a call fails: a code and a sentence, whether a client, a job or a metric asks."""

from dataclasses import dataclass
from typing import Any, Final

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
TIMEOUT: Final = 408
CONFLICT: Final = 409
TOO_MANY: Final = 429
INTERNAL: Final = 500
BAD_GATEWAY: Final = 502
UNAVAILABLE: Final = 503

HALF_A_LETTER: Final = "a text that goes into a header holds half of a surrogate pair, which is no letter: send valid Unicode"


@dataclass(frozen=True, slots=True)
class RpcError:
    """The JSON-RPC error with which a server refused, bounded: some mean something to the client itself."""

    code: int
    message: str
    data: Any = None


class CallFailure(Exception):
    """A call that did not produce a result. `message` names what was wrong and what to do; it never holds a secret."""

    def __init__(self, code: int, message: str, rpc: RpcError | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.rpc = rpc
        self.retry_after_s = retry_after_s
        """After how many seconds the same call may pass; None where nobody can tell."""

    def envelope(self) -> dict[str, object]:
        """What the model reads."""
        shown: dict[str, object] = {"code": self.code, "message": self.message}
        return shown if self.retry_after_s is None else {**shown, "retry_after_s": self.retry_after_s}


class ServerFault(CallFailure):
    """A failure that speaks of the server, not of the call: it cannot be reached, does not answer in time, or answers no MCP.

    `nothing_sent`: it failed before a byte of the request left, so repeating it runs nothing twice.
    """

    def __init__(self, code: int, message: str, *, nothing_sent: bool = False, retry_after_s: int | None = None) -> None:
        super().__init__(code, message, retry_after_s=retry_after_s)
        self.nothing_sent = nothing_sent
