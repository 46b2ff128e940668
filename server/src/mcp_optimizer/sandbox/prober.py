"""Has each template of the pool looked at from inside once, by one replica, with a job in one warm Pod; the others ask that replica.

A template is known by the hash that the operator writes into its Pods. Whoever it falls to among the replicas runs the probe. A Pod of a template that
failed is never claimed again: nothing weaker takes its place.
"""

import asyncio
import inspect
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import JobOutcome, JobRequest
from mcp_optimizer_api.stats import IsolationReport

from . import probe_code
from .claims import Claims
from .isolation import judge
from .pods import SandboxPod
from .replicas import Replica

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 30.0
"""How long a probe waits for a second warm Pod, so that it does not take the only one from a job."""
AGAIN_SECONDS: Final = 10.0
"""After a probe that came to nothing, or a replica that does not know yet."""
REMEMBERED: Final = 16
TIMEOUT_SECONDS: Final = 10.0
METADATA = ("169.254.169.254", 80)
CODE: Final = inspect.getsource(probe_code) + "\nlook(params['addresses'])\n"

Run = Callable[[JobRequest], Awaitable[tuple[SandboxPod, JobOutcome]]]
Ask = Callable[[Replica, str], Awaitable[IsolationReport | None]]


class Prober:
    """The reports of this replica, its own and those of others."""

    def __init__(self, claims: Claims, run: Run, ask: Ask) -> None:
        self._claims, self._run, self._ask = claims, run, ask
        self._reports: dict[str, IsolationReport] = {}
        self._own: set[str] = set()
        self._since: dict[str, float] = {}
        """When a template was first seen."""
        self._not_before: dict[str, float] = {}

    def reports(self) -> list[IsolationReport]:
        """Of the templates whose Pods are there."""
        return [report for template, report in self._reports.items() if template in self._claims.pool.templates()]

    def own_report(self, template: str) -> IsolationReport | None:
        """What this replica's own probe said."""
        return self._reports.get(template) if template in self._own else None

    def problem(self, template: str) -> str:
        """Why Pods of this template may not have jobs; empty when nothing is known against them."""
        report = self._reports.get(template)
        return report.problem if report is not None and not report.verified else ""

    async def watch(self) -> None:
        """Look after the templates that come up, for ever."""
        while True:
            for template, warm in self._claims.pool.templates().items():
                if template and self._is_due(template, warm):
                    await self._learn(template)
            await asyncio.sleep(LOOK_SECONDS)

    def _is_due(self, template: str, warm: int) -> bool:
        owner = self._claims.replicas.owner(template)
        if template in self._own or (template in self._reports and owner is not None):
            return False
        now = time.monotonic()
        if now < self._not_before.get(template, 0.0):
            return False
        # Another's word costs nothing; a Pod is taken when there are two, or nobody has wanted the one for a while.
        return owner is not None or warm > 1 or (warm > 0 and now - self._since.setdefault(template, now) >= PATIENCE_SECONDS)

    async def _learn(self, template: str) -> None:
        self._not_before[template] = time.monotonic() + AGAIN_SECONDS
        owner = self._claims.replicas.owner(template)
        try:
            report = await (self._probe() if owner is None else self._ask(owner, template))
        except CallFailure as failure:
            log.info("the isolation of the sandboxes is not known yet", extra={"why": failure.message})
            return
        except Exception:
            log.exception("the isolation of the sandboxes could not be looked at")  # one template must not end the watch for all
            return
        if report is None:
            return
        if owner is None:
            self._own.add(report.template)
        self._reports[report.template] = report
        while len(self._reports) > REMEMBERED:
            gone = next(iter(self._reports))
            del self._reports[gone]
            self._own.discard(gone)
            self._since.pop(gone, None)
            self._not_before.pop(gone, None)
        if not report.verified:
            log.error("a sandbox is not isolated as it should be", extra={"template": report.template, "why": report.problem})

    async def _probe(self) -> IsolationReport | None:
        addresses = {"metadata address": METADATA}
        if host := os.environ.get("KUBERNETES_SERVICE_HOST"):
            addresses["API server"] = (host, int(os.environ.get("KUBERNETES_SERVICE_PORT", "443")))
        pod, outcome = await self._run(JobRequest(code=CODE, params={"addresses": addresses}, timeout_s=TIMEOUT_SECONDS))
        if not outcome.ok or not isinstance(outcome.value, dict) or not pod.template:
            log.warning("the isolation probe came to nothing", extra={"why": str(outcome.error)[:300]})
            return None
        seen: dict[str, Any] = outcome.value
        return judge(seen, pod)
