"""How much trouble one server may cause: MCPServer.spec.resilience."""

from typing import Literal

from pydantic import Field

from .base import Resource


class Breaker(Resource):
    """When calls to a failing server are refused at once instead of being sent."""

    enabled: bool = Field(default=True, description="Refuse calls while the server fails; false lets every call through.")
    consecutive_failures: int = Field(default=5, ge=1, le=1000, description="Failures in a row that open the breaker.")
    failure_percent: int = Field(
        default=50, ge=1, le=100, description="Share of the calls of the last 30 s, 20 of them at least, whose failure opens the breaker."
    )
    open_seconds: int = Field(
        default=10, ge=1, le=600, description="Until one call is let through as a probe; doubles, up to eight times, while probes fail."
    )


class Retries(Resource):
    """Which calls are sent a second time."""

    when: Literal["never", "connect-failure", "idempotent"] = Field(
        default="idempotent",
        description="connect-failure: only what provably was never sent. idempotent: also calls of tools that say readOnlyHint or"
        " idempotentHint, after any failure of the server.",
    )
    budget_percent: int = Field(default=10, ge=1, le=100, description="Retries per hundred calls; beyond them calls fail at once.")


class Resilience(Resource):
    """How much trouble this server may cause, for each server replica that calls it."""

    connect_seconds: int = Field(default=5, ge=1, le=60, description="How long opening a connection may take.")
    max_concurrent: int = Field(default=256, ge=1, le=10000, description="Calls at once per server replica; as many more wait.")
    queue_seconds: int = Field(default=1, ge=0, le=60, description="How long a call waits for its turn before it is refused.")
    breaker: Breaker = Field(default=Breaker(), description="Refuses calls while the server fails.")
    retries: Retries = Field(default=Retries(), description="Which calls are sent a second time.")
