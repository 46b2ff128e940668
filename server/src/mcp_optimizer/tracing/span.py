"""One step of a request that is traced. Never holds arguments, results, messages or secrets: names, numbers and outcomes only."""

import random
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal

Value = str | int | bool
Kind = Literal["internal", "server", "client"]
MAX_TEXT: Final = 256


class Span:
    """A started step. Its children are the spans that are started until it ends, in the same task or in those started from it."""

    __slots__ = ("_sink", "_token", "attributes", "ended", "kind", "name", "outcome", "parent_id", "span_id", "started", "trace_id")

    def __init__(
        self, sink: "Callable[[Span], None]", name: str, kind: Kind, trace_id: str, parent_id: str | None, attributes: dict[str, Value]
    ) -> None:
        self.name = name[:MAX_TEXT]
        self.kind = kind
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.span_id = identifier(64)
        self.attributes = attributes
        self.outcome = "ok"
        self.started = time.time_ns()
        self.ended = 0
        self._sink = sink
        self._token: Token[Span | None] | None = _current.set(self)

    @property
    def traceparent(self) -> str:
        """What tells the next program that its work belongs here."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def end(self, outcome: str = "ok", **attributes: Value) -> None:
        """It is over; `outcome` other than `ok` makes it an error of that type. In the task that started it."""
        if self._token is None:
            return
        _current.reset(self._token)
        self._token = None
        self.ended = time.time_ns()
        self.outcome = outcome
        self.attributes.update(attributes)
        self._sink(self)

    def child(self, name: str, kind: Kind = "internal", **attributes: Value) -> "Span":
        """A step of this step."""
        return Span(self._sink, name, kind, self.trace_id, self.span_id, attributes)

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.end("ok" if kind is None else kind.__name__)


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def child(name: str, kind: Kind = "internal", **attributes: Value) -> Span | None:
    """A step of what this task is doing; None when that is not traced."""
    parent = _current.get()
    return parent.child(name, kind, **attributes) if parent is not None else None


def identifier(bits: int) -> str:
    """A random identifier, never all zeros."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
