"""What the API server answers, as our errors."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from mcp_operator.client import Client, error_from
from mcp_operator.errors import ConflictError, NamespaceTerminatingError, NotFoundError, TerminalError, TransientError
from mcp_operator.kinds import BY_NAME, DEPLOYMENT, POD, SECRET, WATCHED
from mcp_operator.metrics import Metrics


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, TerminalError),
        (401, TransientError),
        (403, TerminalError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, TerminalError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_a_code_becomes_an_error_that_says_whether_trying_again_helps(code: int, kind: type[Exception]) -> None:
    found = error_from(code, json.dumps({"message": "because"}).encode(), "apply /x")
    assert type(found) is kind
    assert str(found) == f"apply /x: {code} because"


def test_a_terminating_namespace_is_told_apart() -> None:
    body = {"message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}
    assert isinstance(error_from(403, json.dumps(body).encode(), "x"), NamespaceTerminatingError)


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'"text"', b"\xff"])
def test_an_answer_that_is_no_status_is_no_problem(body: bytes) -> None:
    assert isinstance(error_from(502, body, "x"), TransientError)


def test_retry_after_is_respected() -> None:
    found = error_from(429, b"{}", "x", "7")
    assert isinstance(found, TransientError) and found.retry_after == 7
    other = error_from(429, b"{}", "x", "Wed, 21 Oct 2026 07:28:00 GMT")
    assert isinstance(other, TransientError) and other.retry_after is None


def test_addresses() -> None:
    assert DEPLOYMENT.path("ns", "d", "status") == "/apis/apps/v1/namespaces/ns/deployments/d/status"
    assert POD.path(None) == "/api/v1/pods"
    assert BY_NAME["MCPServer"].path("ns", "s") == "/apis/mcp.optimizer.dev/v1/namespaces/ns/mcpservers/s"


def test_only_our_own_objects_are_watched_and_of_secrets_only_one_name() -> None:
    for kind in WATCHED:
        if kind.group != "mcp.optimizer.dev":
            assert kind.label_selector or kind is SECRET
    assert SECRET.field_selector == "metadata.name=mcp-sandbox-keys"


class Answering(Configuration):
    """No token, or no way to get one."""

    broken: Exception | None = None

    async def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        if self.broken is not None:
            raise self.broken
        return None


@pytest.mark.parametrize(
    ("body", "broken"), [(b"<html>welcome</html>", None), (b"{}", ConfigException("Token file exists but empty.")), (b"{}", OSError())]
)
async def test_whatever_goes_wrong_with_a_request_is_one_of_our_errors(body: bytes, broken: Exception | None) -> None:
    configuration = Answering()
    configuration.broken = broken
    client = Client(configuration, Metrics(version="1"), version="1")

    async def request(*arguments: Any, **more: Any) -> Any:
        async def read() -> bytes:
            return body

        return SimpleNamespace(status=200, read=read)

    client._api.rest_client.request = request
    with pytest.raises(TransientError):
        await client.request("GET", "/x", verb="get")
    await client.close()
