"""What `helm test` runs in the cluster: our resources are served, and the operator says that it is healthy."""

import json
import os
import ssl
import sys
import time
import urllib.request

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
WANTED = {"mcpoptimizers", "mcpoptimizers/status", "mcpoptimizers/scale", "mcpservers", "mcpservers/status", "mcpservers/scale"}
PATIENCE_SECONDS = 60


def get(url, headers=None, context=None):
    """Body of a GET; anything but 200 raises."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5, context=context) as reply:
        return reply.read()


def check_resources():
    """The API server serves both kinds with their subresources."""
    with open(f"{ACCOUNT}/token") as file:
        headers = {"Authorization": f"Bearer {file.read().strip()}"}
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
    served = json.loads(get(f"https://{host}:{port}/apis/mcp.optimizer.dev/v1", headers, context))["resources"]
    missing = WANTED - {resource["name"] for resource in served}
    if missing:
        raise RuntimeError(f"not served: {', '.join(sorted(missing))}; install the CRDs (crds.enabled=true)")
    return "the API server serves MCPOptimizer and MCPServer"


def check_health():
    """The operator answers."""
    get(sys.argv[1])
    return "the operator is healthy"


def main():
    """Try each check for a minute, because a Service needs a moment; exit 1 with the last error."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for check in (check_resources, check_health):
        while True:
            try:
                sys.stdout.write(check() + "\n")
                break
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                if time.monotonic() > deadline:
                    sys.exit(f"{check.__name__} failed: {error}")
                time.sleep(1)


if __name__ == "__main__":
    main()
