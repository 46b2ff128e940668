"""Who vouches for clients: MCPOptimizer.spec.auth."""

from typing import Annotated

from pydantic import Field

from .base import Resource
from .cel import PATTERN_MESSAGE

HTTPS_URL = r"^https://[^\s/?#@\"\\]+(/[^\s?#\"\\]*)?$"
HttpsUrl = Annotated[
    str,
    Field(
        pattern=HTTPS_URL,
        max_length=512,
        json_schema_extra={
            PATTERN_MESSAGE: "must be an https URL without user name, query and fragment: write for example https://login.example.com"
        },
    ),
]
Scope = Annotated[
    str,
    Field(
        pattern=r"^[!#-\[\]-~]+$",
        max_length=128,
        json_schema_extra={PATTERN_MESSAGE: "must be one OAuth scope, without spaces: write for example mcp:tools"},
    ),
]


class OAuth(Resource):
    """What OAuth clients are told about the endpoint (RFC 9728). Tokens are checked by the proxy in front of it, not by the endpoint."""

    resource: HttpsUrl = Field(
        description="URL under which clients reach the endpoint, as it stands in their tokens: for example https://mcp.example.com/mcp."
    )
    authorization_servers: list[HttpsUrl] = Field(
        min_length=1, max_length=10, description="Issuers whose tokens the proxy accepts. Clients sign in at one of them."
    )
    scopes: list[Scope] = Field(default=[], max_length=50, description="Scopes that clients ask for.")


class Auth(Resource):
    """Who vouches for clients."""

    oauth: OAuth | None = Field(
        default=None,
        description="Tell OAuth clients where to sign in, for an endpoint behind a proxy that checks their tokens. Without it: nothing is told.",
    )
