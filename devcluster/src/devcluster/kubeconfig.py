"""Writes kubeconfigs that carry their credentials inside, so that one file can be handed to a test or a Pod-less program."""

import base64
import json
from pathlib import Path

from devcluster.pki import Pair, write_secret


def document(*, server: str, ca: Pair, client: Pair, cluster: str) -> dict[str, object]:
    """The kubeconfig as a plain structure (JSON is YAML)."""

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": encoded(ca.certificate_pem)}}],
        "users": [
            {
                "name": cluster,
                "user": {
                    "client-certificate-data": encoded(client.certificate_pem),
                    "client-key-data": encoded(client.key_pem),
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }


def write(path: Path, *, server: str, ca: Pair, client: Pair, cluster: str) -> None:
    """Write it for the owner only."""
    content = document(server=server, ca=ca, client=client, cluster=cluster)
    write_secret(path, (json.dumps(content, indent=2) + "\n").encode())
