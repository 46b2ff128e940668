"""MCPServer: anything that offers MCP tools."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .base import Resource
from .cel import DEFAULT_IN_CODE, PATTERN_MESSAGE, rule, rules
from .names import MCP_PATH
from .pods import AUTOSCALING_NEEDS_CPU, Autoscaling, EnvVar, Image, LocalReference, Resources
from .resilience import Resilience
from .status import Condition


class Remote(Resource):
    """A server that runs elsewhere."""

    url: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$",
        max_length=2048,
        description="Its MCP endpoint, http or https, without credentials.",
        json_schema_extra={
            PATTERN_MESSAGE: "must be an http or https URL without user name and fragment: write for example https://mcp.example.com/mcp"
        },
    )


def _image_only(field: str, instead: str) -> dict[str, str]:
    """With `remote` there is no Pod, so a field that describes the Pod would be ignored: refuse it."""
    return rule(
        f"has(self.image) || !has(self.remote) || !has(self.{field})",
        f"{field} describes the Pods of an image and would be ignored with remote: remove spec.{field}{instead}",
        field=field,
    )


SPEC_RULES = rules(
    rule(
        "has(self.image) != has(self.remote)",
        "exactly one source is needed: set spec.image (a container this cluster runs) or spec.remote.url (a server that runs elsewhere)",
    ),
    _image_only("port", "; a port belongs into spec.remote.url"),
    _image_only("path", "; a path belongs into spec.remote.url"),
    *(_image_only(field, "") for field in ("command", "args", "env", "runAsUser", "resources", "imagePullSecrets", "autoscaling")),
    rule(
        "has(self.image) || !has(self.remote) || self.replicas == 1",
        "replicas describes the Pods of an image and would be ignored with remote: remove spec.replicas",
        field="replicas",
    ),
    AUTOSCALING_NEEDS_CPU,
)


class MCPServerSpec(Resource):
    """What is wanted. Exactly one source: image or remote."""

    model_config = ConfigDict(json_schema_extra=SPEC_RULES)

    image: Image | None = Field(default=None, description="Container image of a server that speaks streamable HTTP.")
    remote: Remote | None = Field(default=None, description="A server that runs elsewhere.")
    transport: Literal["streamable-http"] = Field(default="streamable-http", description="How the server speaks MCP.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port the container listens on.", json_schema_extra={DEFAULT_IN_CODE: True})
    path: str = Field(
        default=MCP_PATH,
        pattern=r"^/[A-Za-z0-9._~/-]*$",
        max_length=256,
        description="Path of the MCP endpoint in the container.",
        json_schema_extra={DEFAULT_IN_CODE: True, PATTERN_MESSAGE: "must be an absolute URL path: write for example /mcp"},
    )
    command: list[Annotated[str, Field(max_length=4096)]] = Field(default=[], max_length=64, description="Replaces the image's entrypoint.")
    args: list[Annotated[str, Field(max_length=4096)]] = Field(default=[], max_length=64, description="Arguments. Never put a secret here.")
    env: Annotated[
        list[EnvVar], Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
    ] = Field(default=[], description="Environment variables.")
    run_as_user: int | None = Field(
        default=None, ge=1, le=2147483647, description="User id of the process; needed where the image's USER is a name."
    )
    resources: Resources | None = Field(default=None, description="Of the container. Default: 100m CPU and 128Mi requested, 512Mi limit.")
    image_pull_secrets: list[LocalReference] = Field(default=[], max_length=10, description="Secrets to pull the image with.")
    replicas: int = Field(default=1, ge=0, le=1000, description="Pods. With autoscaling: the initial number only.")
    autoscaling: Autoscaling = Field(
        default=Autoscaling(), description="Horizontal autoscaling of the Pods.", json_schema_extra={DEFAULT_IN_CODE: True}
    )
    timeout_seconds: int = Field(default=30, ge=1, le=3600, description="How long one tool call may take.")
    resilience: Resilience = Field(default=Resilience(), description="How much trouble this server may cause.")
    paused: bool = Field(default=False, description="Leave the children as they are until false again.")


class Tools(Resource):
    """The server's catalogue in brief; the list itself is served by the data plane."""

    count: int = Field(ge=0, description="Number of tools.")
    catalogue_hash: str = Field(max_length=64, description="Changes when any definition changes.")
    protocol_version: str | None = Field(default=None, max_length=32, description="MCP version that was negotiated.")
    server_name: str | None = Field(default=None, max_length=128, description="What the server calls itself.")


class MCPServerStatus(Resource):
    """What is there."""

    observed_generation: int | None = Field(default=None, ge=0, description="metadata.generation this status speaks of.")
    conditions: Annotated[
        list[Condition], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
    ] = Field(default=[], description="What holds and what does not, with reasons.")
    replicas: int = Field(default=0, description="Pods that exist.")
    ready_replicas: int = Field(default=0, description="Pods that are ready.")
    selector: str | None = Field(default=None, max_length=1024, description="Label selector of the Pods, for the scale subresource.")
    endpoint: str | None = Field(default=None, max_length=2048, description="URL of the server's MCP endpoint.")
    tools: Tools | None = Field(default=None, description="The catalogue in brief, from the last successful check.")
