"""The part of an MCPOptimizer that says whether jobs are recorded, so that they can be run again without their servers."""

from pydantic import Field

from .base import Resource


class Recording(Resource):
    """Jobs of execute_code, each with its calls and their answers, kept in the memory of the server replica that ran it."""

    enabled: bool = Field(
        default=False,
        description="Record every job whose call does not say record: false. Recordings hold what tools answered: whoever has the handle can run them.",
    )
    retention_seconds: int = Field(default=3600, ge=60, le=86400, description="How long a recording can be replayed, at most.")
    max_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        le=128 * 1024 * 1024,
        description="Memory of one server replica for recordings; the oldest give way. One recording takes at most this, and at most 16 MiB."
        " While recording is enabled this is taken off what limits.messageMemory is by default.",
    )
