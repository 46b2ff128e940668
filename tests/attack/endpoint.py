"""Attacks as anybody may make them: code sent to `execute_code` of the installed product."""

import json
import time
from typing import Any

from mcp_optimizer_api.job import pod_token
from tests.e2e import agent

from .stage import NAMESPACE, Stage
from .vocabulary import Answer, Isolation, Outcome

REFUSED_SECONDS = 180.0
NO_POD = "no sandbox Pod is warm"


class Endpoint:
    """The public endpoint of one MCPOptimizer."""

    def __init__(self, stage: Stage, isolation: Isolation) -> None:
        self.stage, self.isolation = stage, isolation
        self.url = stage.urls[isolation]

    async def run(self, code: str, *, timeout_s: float = 3, answer: Answer | None = None, **params: Any) -> Outcome:
        """One job. Tools are those of the installed servers: `answer` is not used."""
        del answer
        patience = time.monotonic() + REFUSED_SECONDS
        while True:
            failed, text, value = await agent.call(self.url, "execute_code", code=code, params=params, timeout_s=timeout_s)
            # A machine under load is slow to make Pods: a refusal says to try again, and nothing ran.
            if not failed or NO_POD not in text or time.monotonic() > patience:
                return shown(failed, text, value)

    def secrets(self) -> set[str]:
        """The claim tokens of the pool's Pods."""
        key = self.stage.pool_keys[self.isolation]
        return {pod_token(key, pod["metadata"]["name"]) for pod in self.stage.watch.of(NAMESPACE, self.isolation)}


def shown(failed: bool, text: str, value: Any) -> Outcome:
    """What a client learns of a job."""
    try:
        told = value if isinstance(value, dict) else json.loads(text)
    except ValueError:
        told = {}
    streams = {name: str(told.get(name, "")) for name in ("stdout", "stderr")}
    if not failed:
        return Outcome(value=told.get("result"), text=text, **streams)
    message = str(told.get("message", text))
    kind, found, rest = message.partition(": ")
    if not found or kind not in ("timeout", "memory", "killed", "cancelled", "lost", "result_too_large", "result_not_json"):
        kind, rest = ("refused" if told.get("code") == 503 else "exception"), message
    return Outcome(kind=kind, message=rest, text=text, **streams)
