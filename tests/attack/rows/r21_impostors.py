"""Row 21: a Pod that poses as a warm sandbox, and somebody who poses as the server of a pool."""

import asyncio
import contextlib
import secrets
from typing import Any

from scripts.stack.shell import CommandError, get, kubectl

from mcp_operator.desired.sandbox_pod import WORKDIR
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobRequest
from mcp_optimizer.sandbox.claims import Claims
from mcp_optimizer.sandbox.key import PoolKey
from mcp_optimizer.sandbox.pods import SandboxPod
from mcp_optimizer_api.job import Start, pod_token, token_digest
from tests.attack import inside
from tests.attack.bare import POOL_KEY, Bare, limits
from tests.attack.own_pods import pods_of
from tests.attack.pods import ended, ready
from tests.attack.relay import Unreachable
from tests.attack.stage import NAMESPACE, Stage
from tests.attack.vocabulary import Control, Isolation, Manifest, Removal, Row, Target

TRAP = """
import http.server, socket, threading
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *a):
        pass
threading.Thread(target=http.server.HTTPServer(('', 8766), Health).serve_forever, daemon=True).start()
listener = socket.create_server(('', 8765))
while True:
    connection, peer = listener.accept()
    print('dialled', flush=True)
    print('sent', connection.recv(100_000).decode('latin-1'), flush=True)
"""
JOBS = 5
FORGERIES = ("nobody's", "of another key", "of another Pod", "the digest itself", "empty")


async def fake_pods(target: Target) -> str | None:
    """Pods with the labels of the pool, Ready, made by somebody else; each forged better than the last. Jobs go on meanwhile."""
    if isinstance(target, Bare):
        raise AssertionError("there is no pool of bare Pods")
    real = await target.stage.watch.until("a warm Pod", lambda: next((pod for pod in pods_of(target) if ready(pod)), None))
    made = [_trap(target.stage, target.isolation, real, forged) for forged in ("labels", "owner", "copied digest")]
    names = [pod["metadata"]["name"] for pod in made]
    try:
        for pod in made:
            target.stage.apply(pod, NAMESPACE)
        await target.stage.watch.until("the fake Pods are Ready or were removed", lambda: _all_ready_or_gone(target, names), seconds=75)
        for number in range(JOBS):
            (await target.run(f"{number}", timeout_s=8)).expect()
        logs = await asyncio.gather(*(asyncio.to_thread(_log, name) for name in names))
    finally:
        await asyncio.to_thread(
            kubectl, "-n", NAMESPACE, "delete", "pod", "--ignore-not-found", "--wait=false", "--grace-period=0", "--force", *names
        )
    caught = [name for name, log in zip(names, logs, strict=True) if "dialled" in log or "sent" in log]
    return f"the server came to {caught}" if caught else None


async def forged_claims(target: Target) -> str | None:
    """From the place where the server of bare Pods would be; for the pool's Pods, the relay is a stranger to the network too."""
    if isinstance(target, Bare):
        await target.create()
    pod = await target.stage.watch.until("a warm Pod", lambda: next((pod for pod in pods_of(target) if ready(pod)), None))
    accepted = []
    for what, token in _tokens(target, pod).items():
        if await _claimed(target, pod, token):
            accepted.append(what)
    return f"accepted: {accepted}" if accepted else None


async def _claimed(target: Target, pod: Manifest, token: str) -> bool:
    frame = Start(token=token, job="forged", code="1", limits=limits(3)).model_dump(by_alias=True, mode="json")
    try:
        async with target.stage.relay.dial(pod["status"]["podIP"], 8765) as link:
            await link.send(frame)
            return bool((await asyncio.wait_for(link.receive(), 5))["type"] == "accepted")
    except (Unreachable, OSError, EOFError):
        return False


def _tokens(target: Target, pod: Manifest) -> dict[str, str]:
    name = pod["metadata"]["name"]
    key = POOL_KEY if isinstance(target, Bare) else target.stage.pool_keys[target.isolation]
    values = (secrets.token_hex(32), pod_token(b"x" * 32, name), pod_token(key, name + "0"), token_digest(pod_token(key, name)), "")
    return dict(zip(FORGERIES, values, strict=True))


def _trap(stage: Stage, isolation: Isolation, real: Manifest, forged: str) -> Manifest:
    name = f"{isolation}-sandbox-{secrets.token_hex(4)}"
    labels = {
        "app.kubernetes.io/managed-by": "mcp-operator",
        "app.kubernetes.io/name": "mcp-sandbox",
        "mcp.optimizer.dev/component": "sandbox",
        "mcp.optimizer.dev/optimizer": isolation,
    }
    metadata: Manifest = {"name": name, "labels": labels}
    env: list[Manifest] = []
    if forged != "labels":
        owner = get("mcpo", isolation, NAMESPACE)["metadata"]["uid"]
        reference = {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "name": isolation, "uid": owner, "controller": True}
        metadata["ownerReferences"] = [reference]
    if forged == "copied digest":
        env = [each for each in real["spec"]["containers"][0]["env"] if each["name"] == "MCP_SANDBOX_TOKEN_SHA256"]
        metadata["annotations"] = real["metadata"].get("annotations", {})
    container = {
        "name": "sandbox",
        "image": stage.image,
        "command": ["python", "-c", TRAP],
        "env": env,
        "ports": [{"name": "job", "containerPort": 8765}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8766}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "workingDir": WORKDIR,
    }
    security = {"runAsNonRoot": True, "runAsUser": 20001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": security, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _all_ready_or_gone(target: Target, names: list[str]) -> bool:
    """The operator may remove what claims to be its own."""
    pods = [target.stage.watch.get(NAMESPACE, name) for name in names]
    return all(pod is None or "deletionTimestamp" in pod["metadata"] or ended(pod) or ready(pod) for pod in pods)


def _log(name: str) -> str:
    try:
        return kubectl("-n", NAMESPACE, "logs", name)
    except CommandError:
        return ""


async def _dialled(**forged: Any) -> str | None:
    """Whether the lane sends its job to a Pod that is forged like this."""
    seen: list[Any] = []

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True)

    async with (
        inside.impostor(inside.says(inside.result()), seen) as port,
        inside.lane(inside.warm_pod("fake", port, **forged), queue_seconds=1) as lane,
    ):
        with contextlib.suppress(CallFailure):
            await lane.run(JobRequest(code="1", timeout_s=5), on_call)
    return "the Pod was sent the job" if seen else None


async def _prove_digest(stage: Stage) -> str | None:
    digest = token_digest(pod_token(inside.KEY, "another-pod"))
    return await inside.proof(lambda: _dialled(digest=digest), (PoolKey, "fits", lambda self, name, digest: True))


async def _prove_owner(stage: Stage) -> str | None:
    def any_owner(self: Claims, pod: SandboxPod) -> bool:
        return self._key.fits(pod.name, pod.token_digest)

    return await inside.proof(lambda: _dialled(owner="somebody"), (Claims, "_is_ours", any_owner))


ROW = Row(
    number=21,
    name="fake Pods and forged claims",
    attacks=(fake_pods, forged_claims),
    controls=(
        Control(
            name="the agent's check of tokens",
            off=Removal(name="any token", agent="import mcp_sandbox.request as r\nr.hmac.compare_digest = lambda a, b: True"),
            attack=forged_claims,
        ),
        Control(name="the server's check of digests", prove=_prove_digest),
        Control(name="the server's check of owners", prove=_prove_owner),
    ),
)
