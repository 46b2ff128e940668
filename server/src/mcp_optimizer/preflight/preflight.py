"""Refuses programs that cannot work, before a sandbox is taken for them."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.stubs.modules import Descriptions

from .checks import Checks
from .reader import Reader

OUTCOMES: Final = ("passed", "refused", "skipped")


class PreflightFailure(CallFailure):
    """What is wrong with a program, finding by finding."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__(BAD_REQUEST, f"nothing was run: {findings[0]}" if len(findings) == 1 else "nothing was run")
        self.findings = findings

    def envelope(self) -> dict[str, object]:
        """What the model reads."""
        more = {} if len(self.findings) == 1 else {"findings": self.findings}
        return {"code": self.code, "kind": "preflight", "message": self.message, **more}


class Preflight:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = Counter("mcp_optimizer_preflights", "Programs that were looked at before they ran.", ["outcome"], registry=registry)
        self._outcomes = {outcome: counter.labels(outcome) for outcome in OUTCOMES}
        self._reader = Reader()
        self._descriptions = Descriptions()

    async def check(self, code: str, snapshot: Snapshot) -> None:
        """Raises `PreflightFailure` when the program is certainly wrong."""
        facts = await self._reader.read(code)
        if facts is None:
            self._outcomes["skipped"].inc()
            return
        findings = self._findings(facts, snapshot)
        self._outcomes["refused" if findings else "passed"].inc()
        if findings:
            raise PreflightFailure(findings)

    async def close(self) -> None:
        """End what reads."""
        await self._reader.close()

    def _findings(self, facts: dict[str, object], snapshot: Snapshot) -> list[str]:
        syntax = facts.get("syntax")
        if isinstance(syntax, dict):
            # Another image may have a newer Python, which may know syntax that ours does not.
            known = snapshot.config.sandbox.same_python
            return [f"line {syntax['line']}: {syntax['message']}: {syntax['text']}"] if known else []
        uses = facts.get("uses")
        return Checks(snapshot, self._descriptions).findings(uses) if isinstance(uses, list) else []
