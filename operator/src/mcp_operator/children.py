"""Brings the children of one resource to the desired state, and turns refusals into findings that people can act on."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_optimizer_api.status import Reason

from .apply import Applier
from .desired.child import Owner
from .errors import BusyChildError, ConflictError, NamespaceTerminatingError, NotFoundError, TerminalError, TransientError
from .kinds import DEPLOYMENT, Manifest, key_of
from .status.finding import Finding

OF_ONE_CHILD = (ConflictError, NotFoundError, BusyChildError)
"""Errors that say nothing about the next child."""
PATIENCE = 3
"""Failed attempts in a row before a passing trouble is worth a condition."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one pass over the children."""

    failure: Finding | None = None
    """For the status."""
    error: TransientError | TerminalError | None = None
    """For the queue: why to come back."""

    @property
    def passing(self) -> TransientError | TerminalError | None:
        """An error that may be over in a second: a status written now would call a generation done that is not applied yet."""
        return self.error if self.failure is None else None

    @property
    def unanswered(self) -> bool:
        """Whether the API server itself is in trouble, so that asking for more is useless."""
        return isinstance(self.error, TransientError) and not isinstance(self.error, OF_ONE_CHILD)

    def __or__(self, other: "Outcome") -> "Outcome":
        """This one, or where nothing went wrong the other."""
        return self if self.error is not None else other


async def converge(
    applier: Applier, owner: Owner, manifests: Sequence[Manifest], *, replicas: int | None = None, attempt: int, prune: bool = True
) -> Outcome:
    """Apply all manifests, then, with `prune`, delete what is not among them. `replicas`: the initial number where an autoscaler scales.

    One child that is refused, or stuck in its deletion, does not keep the others from being applied. A namespace on its way out
    ends everything at once, and so does an API server that does not answer: asking it for each child would take a time-out each.
    """
    error: TransientError | TerminalError | None = None
    for manifest in manifests:
        try:
            initial = replicas if manifest["kind"] == DEPLOYMENT.kind else None
            await applier.apply(owner, manifest, replicas=initial)
        except NamespaceTerminatingError:
            raise
        except TerminalError as refused:
            error = refused
        except OF_ONE_CHILD as busy:
            error = error or busy
        except TransientError as passing:
            error = error or passing
            break
    if error is None and prune:
        error = await _prune(applier, owner, manifests)
    return Outcome(failure=finding(error, attempt), error=error)


async def _prune(applier: Applier, owner: Owner, manifests: Sequence[Manifest]) -> TransientError | TerminalError | None:
    try:
        await applier.prune(owner, {key_of(manifest) for manifest in manifests})
    except (TransientError, TerminalError) as error:
        return error
    return None


def finding(error: TransientError | TerminalError | None, attempt: int) -> Finding | None:
    """What an error means to people; None while it may still pass."""
    if isinstance(error, TerminalError):
        return Finding(False, _reason(error), str(error))
    if error is not None and attempt >= PATIENCE:
        return Finding(False, Reason.APPLY_FAILED, f"The operator tries again: {error}")
    return None


def _reason(error: TerminalError) -> Reason:
    text = str(error)
    if "exceeded quota" in text:
        return Reason.QUOTA_EXCEEDED
    if ": 422 " in text or ": 400 " in text:
        return Reason.INVALID_SPEC
    return error.reason
