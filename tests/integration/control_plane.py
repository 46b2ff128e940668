"""A handle on the control plane the integration tests run against: clients, kubectl, and what its audit log says was written."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from kubernetes import client, config

from mcp_optimizer_api.names import GROUP, VERSION

CHECKOUT = Path(__file__).resolve().parents[2]
PLURALS = {"MCPOptimizer": "mcpoptimizers", "MCPServer": "mcpservers"}


def devcluster(*arguments: str) -> str:
    """Output of `python -m devcluster ...` for this checkout."""
    done = subprocess.run([sys.executable, "-m", "devcluster", *arguments], cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"devcluster {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout.strip()


@cache
def kubectl_binary() -> str:
    """The kubectl that goes with the control plane."""
    return devcluster("tool", "kubectl").splitlines()[-1]


@dataclass(frozen=True)
class ControlPlane:
    """etcd, API server and controller-manager; no node, so Pods stay Pending."""

    kubeconfig: Path

    @property
    def audit_log(self) -> Path:
        """One JSON document per finished write request."""
        return self.kubeconfig.parent / "audit.log"

    @cached_property
    def api(self) -> client.ApiClient:
        """A synchronous client with the administrator's rights."""
        return config.new_client_from_config(str(self.kubeconfig))

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; with `check`, a failure raises with kubectl's own words."""
        done = subprocess.run(
            [kubectl_binary(), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed:\n{done.stderr}")
        return done

    def create(self, namespace: str, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create a resource of ours as kubectl does: unknown fields are refused."""
        made: dict[str, Any] = client.CustomObjectsApi(self.api).create_namespaced_custom_object(
            GROUP,
            VERSION,
            namespace,
            PLURALS[manifest["kind"]],
            manifest,
            field_validation="Strict",
            **({"dry_run": "All"} if dry_run else {}),
        )
        return made

    def get(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        """A resource of ours."""
        found: dict[str, Any] = client.CustomObjectsApi(self.api).get_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURALS[kind], name
        )
        return found

    @staticmethod
    def eventually(holds: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until something holds; fail with a clear word when it does not in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"did not become true within {seconds:.0f} s"
            time.sleep(0.1)

    def audit_position(self) -> int:
        """Where the audit log ends now: pass it to `writes` to see only what happens from here on."""
        return self.audit_log.stat().st_size

    def writes(self, *, since: int = 0, user_agent: str = "", namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """Finished write requests, optionally of one client (user agent prefix) or namespace only."""
        with self.audit_log.open() as log:
            log.seek(since)
            for line in log:
                event = json.loads(line)
                if event["stage"] != "ResponseComplete" or not event.get("userAgent", "").startswith(user_agent):
                    continue
                if namespace is None or event.get("objectRef", {}).get("namespace") == namespace:
                    yield event
