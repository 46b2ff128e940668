"""The API server over HTTP: one pooled client on top of the configuration and TLS handling of `kubernetes.aio`.

Requests are made below the generated classes: the operator works with plain JSON, and the dynamic client spends twice the processor
time per request (docs/decisions). Every failure comes out as one of the errors in `errors.py`.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration

from .errors import ConflictError, NamespaceTerminatingError, NotFoundError, OperatorError, TerminalError, TransientError
from .kinds import Kind, Manifest
from .metrics import Metrics

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
PAGE = 500
TIMEOUT = 15.0


async def load_configuration() -> Configuration:
    """In-cluster configuration when there is one, else `$KUBECONFIG`."""
    configuration = Configuration()
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
        kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        await kube_config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.retries = False  # the work queue retries, with its own back-off
    configuration.connection_pool_maxsize = 32
    return configuration


class Applied(NamedTuple):
    """Answer to a server-side apply: the object, and whether it did not exist before."""

    obj: Manifest
    created: bool


class Client:
    """Verbs on objects. Answers are the objects as the API server has them afterwards."""

    def __init__(self, configuration: Configuration, metrics: Metrics, *, version: str) -> None:
        self.configuration = configuration
        self._api = ApiClient(configuration)
        self._metrics = metrics
        self._user_agent = f"mcp-operator/{version}"

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The object, or None."""
        try:
            return await self.request("GET", kind.path(namespace, name), verb="get")
        except NotFoundError:
            return None

    async def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Manifest]:
        """Objects of a kind that concern us, page by page."""
        query: dict[str, str] = {"limit": str(PAGE)}
        if kind.label_selector:
            query["labelSelector"] = kind.label_selector
        if kind.field_selector:
            query["fieldSelector"] = kind.field_selector
        while True:
            page = await self.request("GET", kind.path(namespace), query=query, verb="list")
            for item in page["items"]:
                # Items of a list carry no kind of their own.
                item["kind"], item["apiVersion"] = kind.kind, kind.api_version
                yield item
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """POST; ConflictError when the object exists already."""
        return await self.request("POST", kind.path(manifest["metadata"].get("namespace")), body=manifest, verb="create")

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """PUT; ConflictError unless metadata.resourceVersion is the current one."""
        metadata = manifest["metadata"]
        return await self.request("PUT", kind.path(metadata.get("namespace"), metadata["name"]), body=manifest, verb="update")

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str, force: bool, subresource: str | None = None) -> Applied:
        """Server-side apply; ConflictError when it is not forced and others own what we want to set."""
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        code, obj = await self._send("PATCH", path, query=query, body=manifest, content_type=APPLY, verb="apply")
        return Applied(obj, created=code == 201)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> bool:
        """Delete exactly the incarnation `uid`; False when it was gone already."""
        body: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self.request("DELETE", kind.path(namespace, name), body=body, verb="delete")
        except (NotFoundError, ConflictError):
            return False
        return True

    async def request(
        self, method: str, path: str, *, verb: str, query: Mapping[str, str] | None = None, body: Any = None, timeout: float = TIMEOUT
    ) -> Manifest:
        """One request; the decoded answer, or one of our errors."""
        return (await self._send(method, path, verb=verb, query=query, body=body, timeout=timeout))[1]

    async def _send(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        timeout: float = TIMEOUT,
    ) -> tuple[int, Manifest]:
        url = f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": self._user_agent}
        code = "error"
        try:
            token = await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            if token:
                headers["Authorization"] = token
            response = await self._api.rest_client.request(method, url, headers, body, _request_timeout=timeout)  # type: ignore[no-untyped-call]
            code = str(response.status)
            data = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError, kube_config.ConfigException) as error:
            raise TransientError(f"{verb} {path}: {type(error).__name__}: {error}") from error
        finally:
            self._metrics.api_requests.labels(verb, code).inc()
        if response.status < 300:
            return response.status, _decoded(data, f"{verb} {path}")
        raise error_from(response.status, data, f"{verb} {path}", response.getheader("Retry-After"))


def _decoded(data: bytes, what: str) -> Manifest:
    try:
        found: Manifest = json.loads(data) if data else {}
    except ValueError as error:
        raise TransientError(f"{what}: the answer is not JSON ({error}); does something else answer for the API server?") from error
    return found


def error_from(code: int, body: bytes, what: str, retry_after: str | None = None) -> OperatorError:
    """Our error for an answer of the API server."""
    try:
        status = json.loads(body)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = f"{what}: {code} {status.get('message') or body[:500].decode(errors='replace')}"
    causes = {cause.get("reason") for cause in (status.get("details") or {}).get("causes") or ()}
    if code == 403 and "NamespaceTerminating" in causes:
        return NamespaceTerminatingError(message)
    if code == 404:
        return NotFoundError(message)
    if code == 409:
        return ConflictError(message)
    if code in (400, 403, 405, 413, 415, 422):
        return TerminalError(message)
    delay = float(retry_after) if retry_after and retry_after.isdigit() else None
    return TransientError(message, retry_after=delay)
