"""What clients may ask of one server replica at once: MCPOptimizer.spec.limits."""

from typing import Final

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import rule, rules
from .pods import Quantity

LARGEST_REQUEST: Final = 16 * 1024 * 1024
LARGEST_REPLY: Final = 64 * 1024 * 1024


class Queue(Resource):
    """Where requests wait when all places are taken."""

    max: int = Field(default=2048, ge=0, le=100000, description="Requests that may wait; 0 refuses at once.")
    seconds: int = Field(default=5, ge=1, le=60, description="How long one may wait before it is refused.")


class Limits(Resource):
    """Bounds per server replica; whoever exceeds one gets an error that names it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.maxInFlightPerClient) || self.maxInFlightPerClient <= self.maxInFlight",
                "maxInFlightPerClient must not exceed maxInFlight: lower it or raise limits.maxInFlight",
                field="maxInFlightPerClient",
            ),
            rule(
                "!has(self.messageMemory) || !isQuantity(string(self.messageMemory))"
                " || quantity(string(self.messageMemory)).compareTo(quantity('4Mi')) >= 0",
                "messageMemory is too little for one large message: write 4Mi or more",
                field="messageMemory",
            ),
        )
    )

    max_request_bytes: int = Field(default=4194304, ge=4096, le=LARGEST_REQUEST, description="Size of one request.")
    max_reply_bytes: int = Field(default=16777216, ge=65536, le=LARGEST_REPLY, description="Size of one reply of an MCPServer.")
    max_in_flight: int = Field(default=2048, ge=1, le=100000, description="Requests answered at once; more wait in the queue.")
    max_in_flight_per_client: int | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="Of them, from one client address. Default: no bound; behind a proxy all share one address.",
    )
    max_streams: int = Field(default=1024, ge=0, le=100000, description="Open subscriptions, which do not count as requests in flight.")
    queue: Queue = Field(default=Queue(), description="Where requests wait when all places are taken.")
    slow_client_seconds: int = Field(
        default=30, ge=1, le=600, description="How long sending one request, or reading the next part of an answer, may take."
    )
    message_memory: Quantity | None = Field(
        default=None,
        description="Bytes of large requests and replies in memory at once; more wait. Default: an eighth of what"
        " resources.limits.memory leaves beyond 192Mi.",
    )
