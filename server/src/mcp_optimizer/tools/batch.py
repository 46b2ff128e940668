"""`execute_batch`: several calls in one, where later ones use what earlier ones returned, and what was done can be taken back.

Every call goes through the invoker, so that one policy holds for all. Nothing is sent before the whole batch was read and checked.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_GATEWAY, INTERNAL, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.results import Result, compact, error_text, job_value, other_blocks, weight

from .cut import Cutter
from .plan import Call, Item, Plan
from .references import Inserter

log = logging.getLogger(__name__)

MAX_PARALLEL: Final = 8
"""Calls of one batch at once: a batch must not take all that a server has."""
MAX_VALUES: Final = 16 * 1024 * 1024
"""Characters of results that one batch holds until its end. Beyond it results are still given, the rest by cursor, but not inserted."""
_compensating: Final[set["asyncio.Task[None]"]] = set()
"""Compensation that nobody waits for any more, so that it is not forgotten half-way."""


@dataclass(slots=True)
class Outcome:
    """How one item ended: exactly one of ok, failure and skipped."""

    ok: bool = False
    value: Any = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    """Content that is no text, such as images."""
    cut: str | None = None
    """Where the rest of the value is; it could not be held and is cut already."""
    failure: CallFailure | None = None
    skipped: str | None = None
    compensated: CallFailure | bool = False


class Batch:
    """One run of a plan."""

    def __init__(self, invoker: Invoker, plan: Plan, context: CallContext, cutter: Cutter) -> None:
        self._invoker = invoker
        self._plan = plan
        # No notifications: they could not say which call they are about. Capabilities: a tool that needs its client must not go on without.
        brings = context.trace or context.client_capabilities
        self._context = CallContext(trace=context.trace, client_capabilities=context.client_capabilities) if brings else PLAIN
        self._tell = context.on_notification if context.progress else None
        self._ended_so_far = 0
        self._cutter = cutter
        self._ended = [asyncio.Event() for _ in plan.items]
        self._slots = asyncio.Semaphore(MAX_PARALLEL if plan.parallel else 1)
        self._failed: Item | None = None
        self._done: list[Item] = []
        """In the order in which they were completed."""
        self._values: dict[str, Any] = {}
        self._room = MAX_VALUES
        self.outcomes: list[Outcome] = [Outcome() for _ in plan.items]

    async def run(self) -> Result:
        """Run to the end. Cancelled, it starts what takes back the completed calls, where that was asked for."""
        try:
            if self._plan.parallel:
                async with asyncio.TaskGroup() as group:
                    for item in self._plan.items:
                        group.create_task(self._item(item))
            else:
                for item in self._plan.items:
                    await self._item(item)
        except asyncio.CancelledError:
            if self._plan.on_error == "compensate":
                self._compensation()
            raise
        if self._failed is not None and self._plan.on_error == "compensate":
            await asyncio.shield(self._compensation())
        return self._result()

    async def _item(self, item: Item) -> None:
        outcome = self.outcomes[item.position]
        try:
            for needed in item.needs:
                await self._ended[needed].wait()
            async with self._slots:
                outcome.skipped = self._why_not(item)
                if outcome.skipped is None:
                    await self._try(item, outcome)
        finally:
            self._ended[item.position].set()
        await self._progress(item)

    async def _progress(self, item: Item) -> None:
        self._ended_so_far += 1
        if self._tell is not None:
            how = "skipped" if self.outcomes[item.position].skipped else "ok" if self.outcomes[item.position].ok else "failed"
            params = {"progress": self._ended_so_far, "total": len(self._plan.items), "message": f"{item.name} {how}"}
            await self._tell("notifications/progress", params)

    async def _try(self, item: Item, outcome: Outcome) -> None:
        try:
            if item.position in self._plan.refused:
                raise self._plan.refused[item.position]
            result = await self._call(item.call)
        except CallFailure as failure:
            outcome.failure = failure
        except Exception:
            # One item must not take the report on all others with it.
            log.exception("a call of a batch failed for a reason no rule foresaw", extra={"tool": item.call.tool})
            outcome.failure = CallFailure(INTERNAL, "the endpoint failed; its log tells why")
        if outcome.failure is not None:
            self._failed = self._failed or item
            return
        outcome.ok, outcome.value, outcome.blocks = True, job_value(result), other_blocks(result)
        self._room -= weight(result)
        if self._room < 0:
            outcome.value, outcome.cut = self._cutter.part_of(outcome.value, len(self._plan.items))
        if outcome.cut is None:
            self._values[item.name] = outcome.value
        self._done.append(item)

    def _why_not(self, item: Item) -> str | None:
        missing = next((self._plan.items[needed] for needed in item.needs if not self.outcomes[needed].ok), None)
        if missing is not None:
            return f"needs {missing.name}"
        large = next((self._plan.items[needed] for needed in item.needs if self.outcomes[needed].cut is not None), None)
        if large is not None:
            return f"the result of {large.name} is too large to insert: use execute_code"
        return f"{self._failed.name} failed" if self._failed is not None and self._plan.on_error != "continue" else None

    async def _call(self, call: Call) -> Result:
        """The result of one call. What a tool itself reports as an error is a failure here."""
        arguments = Inserter(self._values).insert(call.arguments) if call.refers else call.arguments
        result = await self._invoker.invoke(call.tool, arguments, self._context)
        if result.get("resultType", "complete") != "complete":
            raise CallFailure(BAD_GATEWAY, f"{call.tool} asks its client for something, which a batch cannot pass on: call it with execute")
        if result.get("isError") is True:
            raise CallFailure(INTERNAL, error_text(result))
        return result

    def _compensation(self) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._compensate())
        _compensating.add(task)
        task.add_done_callback(_compensating.discard)
        return task

    async def _compensate(self) -> None:
        for item in reversed(self._done):
            if item.compensate is None:
                continue
            outcome = self.outcomes[item.position]
            try:
                await self._call(item.compensate)
                outcome.compensated = True
            except CallFailure as failure:
                outcome.compensated = failure

    def _result(self) -> Result:
        results = [_shown(item, self.outcomes[item.position]) for item in self._plan.items]
        self._cutter.cut_values(results)
        fine = sum(outcome.ok for outcome in self.outcomes)
        undone = self._failed is not None and self._plan.on_error == "compensate"
        status = "ok" if fine == len(results) else "failed" if undone or not fine else "partial"
        blocks = [block for outcome in self.outcomes for block in outcome.blocks]
        text = compact({"status": status, "results": results})
        return {"content": [{"type": "text", "text": text}, *blocks], "isError": status == "failed"}


def _shown(item: Item, outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": item.name} if item.named else {}
    if outcome.ok:
        shown["result"] = outcome.value
        if outcome.cut is not None:
            shown["cut"] = outcome.cut
    elif outcome.failure is not None:
        shown |= outcome.failure.envelope()
    else:
        shown["skipped"] = outcome.skipped
    if outcome.blocks:
        shown["blocks"] = len(outcome.blocks)
    if outcome.compensated:
        shown["compensated"] = True if outcome.compensated is True else outcome.compensated.envelope()
    return shown
