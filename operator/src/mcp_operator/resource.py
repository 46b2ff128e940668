"""Custom resources as the operator reads them: identity, what is wanted, and what was last said about it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from mcp_optimizer_api.base import Resource
from mcp_optimizer_api.optimizer import MCPOptimizerSpec, MCPOptimizerStatus
from mcp_optimizer_api.server import MCPServerSpec, MCPServerStatus

from .desired.child import Owner
from .kinds import MCP_OPTIMIZER, Key, Manifest, key_of

Spec = TypeVar("Spec", bound=Resource)
Status = TypeVar("Status", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Custom(Generic[Spec, Status]):
    """One custom resource, parsed."""

    owner: Owner
    generation: int
    labels: dict[str, str]
    spec: Spec
    status: Status
    """As last written, by us or by an earlier version of us."""

    @property
    def key(self) -> Key:
        """Its identity."""
        return self.owner.key


Optimizer = Custom[MCPOptimizerSpec, MCPOptimizerStatus]
Server = Custom[MCPServerSpec, MCPServerStatus]


class InvalidSpecError(Exception):
    """The spec does not parse. Seldom: the CRD refuses most of it, but an older CRD than this operator's may not."""


def owner_of(obj: Manifest) -> Owner:
    """Identity of a custom resource, parsed or not."""
    return Owner(key_of(obj), obj["metadata"]["uid"], obj["metadata"].get("creationTimestamp", ""))


def optimizer(obj: Manifest) -> Optimizer:
    """Parse an MCPOptimizer; InvalidSpecError names the fields in error."""
    return _custom(obj, MCPOptimizerSpec, MCPOptimizerStatus)


def server(obj: Manifest) -> Server:
    """Parse an MCPServer; InvalidSpecError names the fields in error."""
    return _custom(obj, MCPServerSpec, MCPServerStatus)


def status_of(obj: Manifest) -> MCPOptimizerStatus | MCPServerStatus:
    """Status of a resource whose spec may not parse."""
    return _status(obj, MCPOptimizerStatus) if obj["kind"] == MCP_OPTIMIZER.kind else _status(obj, MCPServerStatus)


def _custom(obj: Manifest, spec: type[Spec], status: type[Status]) -> Custom[Spec, Status]:
    try:
        parsed = spec.model_validate(obj.get("spec") or {})
    except ValidationError as error:
        raise InvalidSpecError(_sentence(error)) from error
    metadata = obj["metadata"]
    return Custom(
        owner=owner_of(obj),
        generation=metadata.get("generation", 0),
        labels=metadata.get("labels") or {},
        spec=parsed,
        status=_status(obj, status),
    )


def _status(obj: Manifest, model: type[Status]) -> Status:
    """An unreadable status is as good as none: it is written anew."""
    try:
        return model.model_validate(obj.get("status") or {})
    except ValidationError:
        return model.model_validate({})


def _sentence(error: ValidationError) -> str:
    problems = [f"spec.{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()]
    return "; ".join(problems[:5])
