"""The enforcer: a process of the local cluster that turns every change of Pods, Namespaces and NetworkPolicies into one atomic
replacement of its nftables table, inside the node's network namespace."""

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

from devcluster.api_client import ApiClient
from devcluster.netpol.cluster import Snapshot, pod_of
from devcluster.netpol.rules import compile_table
from devcluster.netpol.watch import Mirror

# A burst of Pod events becomes one replacement; short, because the time until it is done is an open door.
SETTLE_SECONDS = 0.01


class Enforcer:
    """Watches and applies."""

    def __init__(self, client: ApiClient, *, uplink: str) -> None:
        self._changed = threading.Event()
        self._uplink = uplink
        self._applied = ""
        self._pods = Mirror(client, "/api/v1/pods", self._changed.set)
        self._namespaces = Mirror(client, "/api/v1/namespaces", self._changed.set)
        self._policies = Mirror(client, "/apis/networking.k8s.io/v1/networkpolicies", self._changed.set)

    def run(self) -> None:
        """Never returns."""
        mirrors = (self._pods, self._namespaces, self._policies)
        for mirror in mirrors:
            mirror.start()
        for mirror in mirrors:
            mirror.synced.wait()
        while True:
            self._changed.wait()
            time.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._apply(compile_table(self._snapshot(), uplink=self._uplink))

    def _snapshot(self) -> Snapshot:
        pods = tuple(pod for item in self._pods.objects() if (pod := pod_of(item)) is not None)
        namespaces = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in self._namespaces.objects()}
        return Snapshot(pods, namespaces, tuple(self._policies.objects()))

    def _apply(self, table: str) -> None:
        if table == self._applied:
            return
        done = subprocess.run(["nft", "-f", "-"], input=table, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            # The previous table stays in force; the next change tries again.
            print(f"nft refused the table: {done.stderr.strip()}\n{table}", file=sys.stderr, flush=True)
            return
        self._applied = table
        print(f"applied a table of {table.count(chr(10))} lines", flush=True)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m devcluster.netpol")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--uplink", required=True, help="the interface that leads to the host")
    arguments = parser.parse_args()
    Enforcer(ApiClient.from_kubeconfig(arguments.kubeconfig), uplink=arguments.uplink).run()


if __name__ == "__main__":
    main()
