"""How an MCPOptimizer finds tools: by words, by synonyms of the catalogue, by an embedding model."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import PATTERN_MESSAGE, rule, rules
from .pods import ObjectName

SynonymWord = Annotated[
    str,
    Field(
        pattern=r"^.*[^\s!-/:-@\[-`{-~].*$",
        min_length=1,
        max_length=60,
        json_schema_extra={PATTERN_MESSAGE: "must be a word or a phrase: write for example case or support ticket"},
    ),
]
SynonymGroup = Annotated[list[SynonymWord], Field(min_length=2, max_length=12)]


class SecretKey(Resource):
    """One entry of a Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: str = Field(
        default="apiKey",
        pattern=r"^[-._A-Za-z0-9]+$",
        max_length=253,
        description="Name of the entry.",
        json_schema_extra={PATTERN_MESSAGE: "must be the name of an entry of a Secret: letters, digits, '-', '_' and '.'"},
    )


class Embedding(Resource):
    """An embedding model that ranks tools by meaning, beside the ranking by words."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.api == 'tei' || has(self.model)",
                "model is needed: name one that the endpoint offers, for example text-embedding-3-small, or write api: tei",
                field="model",
            ),
            rule(
                "self.api != 'tei' || !has(self.model)",
                "a text-embeddings-inference server has one model and is not told which: remove model, or write api: openai",
                field="model",
            ),
        )
    )

    url: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$",
        max_length=2048,
        description="The whole address, for example https://api.example.com/v1/embeddings, or http://tei.models.svc/embed with api: tei.",
        json_schema_extra={
            PATTERN_MESSAGE: "must be an http or https URL without user name and fragment: write for example https://api.example.com/v1/embeddings"
        },
    )
    api: Literal["openai", "tei"] = Field(
        default="openai", description="What it speaks: OpenAI's embeddings, as most servers do, or text-embeddings-inference's own /embed."
    )
    model: str | None = Field(default=None, min_length=1, max_length=200, description="Name of the model; not for api: tei.")
    secret_ref: SecretKey | None = Field(
        default=None,
        description="Where the API key is, sent as a bearer token. Setting or changing this restarts the server Pods one by one.",
    )
    timeout_milliseconds: int = Field(
        default=150, ge=10, le=5000, description="How long a query waits; afterwards it is answered by words alone."
    )


class Search(Resource):
    """How tools are found."""

    limit: int = Field(default=8, ge=1, le=50, description="Hits that one discover call returns unless it asks for fewer.")
    synonyms: list[SynonymGroup] = Field(
        default=[],
        max_length=100,
        description="Groups of words or phrases that mean the same here, in addition to the general ones: a query with one also finds the others.",
    )
    embedding: Embedding | None = Field(default=None, description="Rank by meaning as well. Discovery never depends on it.")
