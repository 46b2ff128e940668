"""A sandbox Pod from the operator's own builder, with walls taken away, and the job protocol spoken to it directly."""

import asyncio
import contextlib
import math
import secrets
from dataclasses import replace
from typing import Any

from scripts.stack.shell import kubectl

from mcp_operator.desired.quantity import number
from mcp_operator.desired.sandbox_pod import PoolTemplate, sandbox_pod
from mcp_optimizer.sandbox.held import LAST_WORDS_SECONDS
from mcp_optimizer.sandbox.pods import DELETED, parse
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import ArtifactLimits, JobLimits, Start, pod_token
from mcp_optimizer_api.names import MANAGED_BY_LABEL, OPTIMIZER_LABEL
from mcp_optimizer_api.sandbox import Sandbox

from .pods import ended, ready
from .relay import Frames, Unreachable
from .stage import BARE_NAMESPACE, SANDBOX, WALLED, Stage
from .vocabulary import Answer, Isolation, Manifest, Outcome, Removal

POOL_KEY = b"k" * 32
UNSELECTED = "open"
PATIENCE_SECONDS = 8.0
"""How long after a job's deadline nothing has to have come before the job counts as one that no deadline ends."""
WARM_SECONDS = 90.0
END_SECONDS = 5.0
"""Between the end of a connection and what the kubelet says of its Pod."""


class Bare:
    """Makes a Pod for each job."""

    def __init__(self, stage: Stage, isolation: Isolation, *removals: Removal) -> None:
        self.stage, self.isolation, self.removals = stage, isolation, removals
        self.pods: list[str] = []

    def manifest(self, name: str) -> Manifest:
        """The Pod `name` as the operator would make it, but for its owner, and without the walls in `removals`."""
        spec = Sandbox.model_validate({**SANDBOX, **({"runtimeClassName": "gvisor"} if self.isolation == "gvisor" else {})})
        template = PoolTemplate(
            namespace=BARE_NAMESPACE,
            optimizer=WALLED,
            optimizer_uid="",
            sandbox=spec,
            image=self.stage.image,
            pull_policy="IfNotPresent",
            pool_key=POOL_KEY,
        )
        pod = sandbox_pod(template, pod_name=name)
        del pod["metadata"]["ownerReferences"]
        pod["metadata"]["labels"][MANAGED_BY_LABEL] = "attack-suite"
        agent = "".join(f"{removal.agent}\n" for removal in self.removals if removal.agent)
        if agent:
            start = "import sys\nfrom mcp_sandbox.__main__ import main\nsys.exit(main())"
            pod["spec"]["containers"][0]["command"] = ["python", "-c", agent + start]
        if any(removal.policy for removal in self.removals):
            pod["metadata"]["labels"][OPTIMIZER_LABEL] = UNSELECTED
        for removal in self.removals:
            if removal.pod is not None:
                removal.pod(pod)
        return pod

    async def run(self, code: str, *, timeout_s: float = 3, answer: Answer | None = None, **params: Any) -> Outcome:
        """One job in a Pod of its own."""
        name = await self.create()
        pod = await self.stage.watch.until(f"{name} is warm or has ended", lambda: self._decided(name), seconds=WARM_SECONDS)
        if ended(pod):
            return Outcome(kind="unfit", message=f"the Pod ended without being warm: {pod['status'].get('containerStatuses')}")
        kept = ArtifactLimits(max_count=20, max_bytes=1024 * 1024)
        start = Start(token=pod_token(POOL_KEY, name), job=name, code=code, params=params, limits=limits(timeout_s), artifacts=kept)
        try:
            async with self.stage.relay.dial(pod["status"]["podIP"], 8765) as link:
                await link.send(start.model_dump(by_alias=True, mode="json"))
                return await self._to_its_end(name, link, answer, timeout_s + PATIENCE_SECONDS)
        except (Unreachable, OSError) as error:
            return Outcome(kind="refused", message=f"no connection: {error}")

    async def create(self) -> str:
        """Name of a new Pod, which may not be running yet."""
        name = f"{WALLED}-sandbox-{secrets.token_hex(4)}"
        self.pods.append(name)
        await asyncio.to_thread(self.stage.apply, self.manifest(name), BARE_NAMESPACE)
        return name

    def secrets(self) -> set[str]:
        """The claim tokens of its Pods."""
        return {pod_token(POOL_KEY, name) for name in self.pods}

    async def close(self) -> None:
        """Delete its Pods."""
        if self.pods:
            words = ("-n", BARE_NAMESPACE, "delete", "pod", "--ignore-not-found", "--wait=false", "--grace-period=1", *self.pods)
            await asyncio.to_thread(kubectl, *words)

    async def _to_its_end(self, name: str, link: Frames, answer: Answer | None, seconds: float) -> Outcome:
        """The conversation, with the Pod's own end where that cut it short."""
        vigil = asyncio.create_task(self._hang_up_after_the_end(name, link))
        try:
            outcome = await conversation(link, answer, seconds)
        finally:
            vigil.cancel()
        if outcome.kind != "lost":
            return outcome
        with contextlib.suppress(AssertionError):
            await self.stage.watch.until(f"{name} has ended", lambda: ended(self._pod(name)), seconds=END_SECONDS)
        found = parse(self._pod(name) or {})
        end = (found.end or "still there") if found is not None else DELETED
        return replace(outcome, kind="memory" if end.startswith("OOMKilled") else "lost", message=f"{outcome.message} (Pod {name}: {end})")

    async def _hang_up_after_the_end(self, name: str, link: Frames) -> None:
        """A kernel of its own that is killed, gVisor's for want of memory, takes its connections with it and closes none."""
        await self.stage.watch.until(f"{name} has ended", lambda: ended(self._pod(name)), seconds=math.inf)
        await asyncio.sleep(LAST_WORDS_SECONDS)
        link.writer.close()

    def _pod(self, name: str) -> Manifest | None:
        return self.stage.watch.get(BARE_NAMESPACE, name)

    def _decided(self, name: str) -> Manifest | None:
        pod = self._pod(name)
        return pod if pod is not None and (ready(pod) or ended(pod)) else None


def limits(timeout_s: float) -> JobLimits:
    """As the server would send them."""
    sandbox = Sandbox.model_validate(SANDBOX)
    config = SandboxConfig(enabled=True, max_processes=sandbox.max_processes, memory_bytes=int(number(sandbox.resources.memory)))
    known = config.model_dump()
    return JobLimits.model_validate(
        {**{name: known[name] for name in JobLimits.model_fields if name in known}, "timeout_seconds": timeout_s}
    )


async def conversation(link: Frames, answer: Answer | None, seconds: float) -> Outcome:
    """Reads to the last frame, answering calls. No last frame within `seconds`: kind `overdue`; a connection that ends: `lost`."""
    frames: list[Manifest] = []
    try:
        async with asyncio.timeout(seconds):
            while not frames or frames[-1]["type"] not in ("result", "rejected"):
                frames.append(await link.receive())
                if frames[-1]["type"] == "call":
                    reply = answer(frames[-1]) if answer else {"ok": False, "error": {"code": 404, "message": "no such tool"}}
                    await link.send({"type": "callResult", "seq": frames[-1]["seq"], **reply})
    except TimeoutError:
        return _outcome(frames, "overdue", f"no result {seconds:g} s after the start")
    except (EOFError, OSError) as error:
        return _outcome(frames, "lost", f"the agent's connection ended: {type(error).__name__}")
    last = frames[-1]
    if last["type"] == "rejected":
        return _outcome(frames, "refused", last["message"])
    error = last.get("error") or {}
    return _outcome(frames, str(error.get("kind", "")), str(error.get("message", "")), last.get("value"))


def _outcome(frames: list[Manifest], kind: str, message: str, value: Any = None) -> Outcome:
    printed = {
        stream: "".join(frame["data"] for frame in frames if frame["type"] == "output" and frame.get("stream") == stream)
        for stream in ("stdout", "stderr")
    }
    return Outcome(value=value, kind=kind, message=message, frames=tuple(frames), **printed)
