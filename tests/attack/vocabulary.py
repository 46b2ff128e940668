"""The words of the suite: an attack is tried on a target and says what it achieved; a control is proven by taking it away."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from .stage import Stage

Isolation = Literal["runc", "gvisor"]
ISOLATIONS: tuple[Isolation, ...] = ("runc", "gvisor")
Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended. `kind` is empty for success, else as in `JobError.kind`, or `refused` when no sandbox took the job."""

    value: Any = None
    kind: str = ""
    message: str = ""
    stdout: str = ""
    stderr: str = ""
    text: str = ""
    """What a client was shown, whole. Empty on a bare Pod."""
    frames: tuple[Manifest, ...] = ()
    """What the agent sent. Empty at the public endpoint."""

    @property
    def ok(self) -> bool:
        """Whether the job ran to its end."""
        return not self.kind

    def expect(self) -> Any:
        """The value of a job that must have come to its end; AssertionError tells how it ended instead."""
        if not self.ok:
            raise AssertionError(f"the attack's own code did not run to its end: {self.kind}: {self.message}")
        return self.value


Answer = Callable[[Manifest], Manifest]
"""A tool for a bare Pod's job: a `call` frame in, `{"ok": ..., "value": ... or "error": ...}` out."""


class Target(Protocol):
    """Where attacks run: the public endpoint, or a bare Pod of the same make with a wall taken away."""

    isolation: Isolation
    stage: "Stage"

    async def run(self, code: str, *, timeout_s: float = 3, answer: Answer | None = None, **params: Any) -> Outcome:
        """One job, in a sandbox of its own; several may run at once. `answer` counts on bare Pods only."""

    def secrets(self) -> set[str]:
        """Strings that no job may ever find: the claim tokens of the sandboxes that are there now."""


Attack = Callable[[Target], Awaitable[str | None]]
"""Why the attack's effect IS there, in one line; None when it is not. Any exception counts as a broken attack, not as a held wall."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One wall taken away from a sandbox Pod. Exactly one of the first three."""

    name: str
    pod: Callable[[Manifest], None] | None = None
    """Changes the manifest that the operator's own builder made."""
    agent: str = ""
    """Python that runs in the agent's process before the agent is imported: `import mcp_sandbox.x as x; x.y = ...`."""
    policy: bool = False
    """The Pod is one that no NetworkPolicy selects."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """A wall, and the proof that it is the one that holds.

    The attack runs on a Pod without `others` (further walls against the same attack), where its effect must be absent, and on one
    without `others` and `off`, where it must be there. Without `others` the first half is the attack at the public endpoint.
    Where no Pod's wall is meant, `prove` does all of it: why the proof failed, or None.
    """

    name: str
    off: Removal | None = None
    others: tuple[Removal, ...] = ()
    attack: Attack | None = None
    """Default: the row's first. An attack that shows this wall alone may be smaller than the row's."""
    isolation: Isolation = "runc"
    prove: "Callable[[Stage], Awaitable[str | None]] | None" = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table in docs/security.md."""

    number: int
    name: str
    attacks: tuple[Attack, ...]
    controls: tuple[Control, ...] = ()
    untested: dict[Isolation, str] = field(default_factory=dict)
    """Where the row cannot be tested, and why. Counts as missing."""


def first_line(text: object) -> str:
    """For one-line reports."""
    return str(text).strip().split("\n", 1)[0][:300]
