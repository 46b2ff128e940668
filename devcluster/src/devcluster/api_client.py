"""The little that devcluster asks of an API server, over the standard library: this package must work before anything is installed."""

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devcluster.errors import ClusterError


class ApiError(ClusterError):
    """The API server answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"API server answered {status}: {message}")
        self.status = status


@dataclass(frozen=True)
class ApiClient:
    """JSON requests with a client certificate."""

    host: str
    port: int
    context: ssl.SSLContext

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "ApiClient":
        """Read a kubeconfig that devcluster wrote (credentials inside, JSON)."""
        document = json.loads(path.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # mode 0600; ssl reads client credentials from files only
            pem.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pem.flush()
            context.load_cert_chain(pem.name)
        server = urlsplit(cluster["server"])
        return cls(host=str(server.hostname), port=int(server.port or 443), context=context)

    def connect(self, *, timeout: float | None) -> http.client.HTTPSConnection:
        """A connection of its own per request: simple, and a restart of the API server leaves nothing stale."""
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=timeout)

    def request(self, method: str, path: str, body: object | None = None, *, content: str = "application/json", timeout: float = 10) -> Any:
        """Send and parse; raises ApiError on an error status and OSError when nobody answers."""
        connection = self.connect(timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": content, "Accept": "application/json", "User-Agent": "devcluster"})
            response = connection.getresponse()
            raw = response.read()
            if response.status >= 400:
                raise ApiError(response.status, raw.decode(errors="replace")[:500])
            return json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode()
        except http.client.HTTPException as error:
            raise OSError(f"broken answer from {self.host}:{self.port}: {error!r}") from error
        finally:
            connection.close()

    def apply(self, path: str, manifest: dict[str, Any]) -> Any:
        """Server-side apply: the same call creates and repeats."""
        query = "?fieldManager=devcluster&force=true"
        return self.request("PATCH", path + query, manifest, content="application/apply-patch+yaml")

    def watch(self, path: str, *, version: str, seconds: int) -> Iterator[dict[str, Any]]:
        """Events since a resource version, until the server ends the watch."""
        connection = self.connect(timeout=seconds + 30)
        try:
            query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}"
            connection.request("GET", path + query, headers={"Accept": "application/json", "User-Agent": "devcluster"})
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiError(response.status, response.read().decode(errors="replace")[:500])
            for line in response:
                yield json.loads(line)
        except http.client.HTTPException as error:
            raise OSError(f"watch of {path} broke: {error!r}") from error
        finally:
            connection.close()
