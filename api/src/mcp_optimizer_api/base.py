"""Model configurations: what users write is strict in the schema, what programs read is tolerant."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Resource(BaseModel):
    """Part of a custom resource's spec or status.

    Unknown fields are refused by the API server (the CRD is structural, and clients ask for strict field validation); live objects are
    parsed leniently, so that an operator keeps working beside a newer CRD.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class Document(BaseModel):
    """A document one program of ours writes and another reads, across versions: unknown fields are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_json(self) -> str:
        """Canonical JSON: camelCase keys, sorted by the model's field order, no insignificant white space."""
        return self.model_dump_json(by_alias=True, exclude_none=True)
