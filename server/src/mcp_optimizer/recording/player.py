"""Answers the calls of a job from a recording. No server hears of any.

A call is matched by its tool and its arguments, not by its place: threads and asyncio tasks may ask in another order each time. Of calls
that are equal, the first gets the first answer. Questions about the catalogue are no calls: one that was not recorded is answered by the
endpoint itself.
"""

import asyncio
import json
from collections import defaultdict, deque
from typing import Any, Final

import orjson

from mcp_optimizer.lane import CallOutcome, JobOutcome, OnCall
from mcp_optimizer_api.job import QUESTION, CallError

from .tape import PARTS, Tape, parts_of

NOT_RECORDED: Final = 409
SHOWN: Final = 1000
"""Characters of arguments in a report."""
AROUND: Final = 100
"""Characters of an outcome in a report, before and behind where it differs."""
Report = dict[str, Any]
_Key = tuple[str, str]


class Player:
    """`call` stands where the job's calls were answered; `report` says what differed."""

    def __init__(self, tape: Tape, ask: OnCall) -> None:
        self._tape = tape
        self._ask = ask
        self._calls = [call for call in tape.calls if not call.tool.startswith(QUESTION)]
        questions = [call for call in tape.calls if call.tool.startswith(QUESTION)]
        self._told = {_key(question.tool, question.arguments): question for question in questions if question.answer is not None}
        self._keys = [_key(call.tool, call.arguments) for call in self._calls]
        self._left: defaultdict[_Key, deque[int]] = defaultdict(deque)
        for number, key in enumerate(self._keys):
            self._left[key].append(number)
        self._asked: list[_Key] = []
        self._unknown: list[int] = []

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallOutcome:
        """The recorded answer."""
        key = _key(tool, arguments)
        if tool.startswith(QUESTION):
            return _answered(self._told[key].answer) if key in self._told else await self._ask(tool, arguments)
        self._asked.append(key)
        if not self._left[key]:
            self._unknown.append(len(self._asked) - 1)
            message = f"this is a replay, and the recorded job did not make this call of {tool[:200]} (again)"
            return CallOutcome(ok=False, error=CallError(code=NOT_RECORDED, message=message))
        answer = self._calls[self._left[key].popleft()].answer
        if answer is None:
            # The recorded job ended before there was an answer.
            await asyncio.Event().wait()
        return _answered(answer)

    def report(self, outcome: JobOutcome) -> Report:
        """`identical`, and what was not: `first_difference` of the calls or else of the outcome, and `order` when equal calls came in another."""
        calls = self._calls_differ()
        found = calls or _outcomes_differ(self._tape.parts, parts_of(outcome))
        report: Report = {"identical": found is None}
        if found is not None:
            report["first_difference"] = found
        if calls is None and (order := self._order_differs()) is not None:
            report["order"] = order
        return report

    def _calls_differ(self) -> Report | None:
        # A job that did not wait for an answer may end before it asks at all.
        left = (number for numbers in self._left.values() for number in numbers if self._calls[number].answer is not None)
        unmade = min(left, default=None)
        unknown = self._unknown[0] if self._unknown else None
        if unmade is None and unknown is None:
            return None
        return {
            "call": (unknown if unknown is not None else unmade or 0) + 1,
            "recorded": _shown(self._keys[unmade]) if unmade is not None else None,
            "actual": _shown(self._asked[unknown]) if unknown is not None else None,
        }

    def _order_differs(self) -> Report | None:
        for number, (recorded, asked) in enumerate(zip(self._keys, self._asked, strict=False)):
            if recorded != asked:
                return {"call": number + 1, "recorded": _shown(recorded), "actual": _shown(asked)}
        return None


def _answered(answer: dict[str, Any] | None) -> CallOutcome:
    if answer is not None and answer["ok"]:
        return CallOutcome(ok=True, value=answer["value"])
    return CallOutcome(ok=False, error=CallError(**answer["error"]) if answer is not None else None)


def _key(tool: str, arguments: dict[str, Any]) -> _Key:
    try:
        return tool, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # integers beyond 64 bits
        return tool, json.dumps(arguments, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _shown(key: _Key) -> Report:
    tool, arguments = key
    return {"tool": tool, "arguments": json.loads(arguments) if len(arguments) <= SHOWN else f"{arguments[:SHOWN]}…"}


def _outcomes_differ(recorded: dict[str, str], actual: dict[str, str]) -> Report | None:
    for part in PARTS:
        one, other = recorded[part], actual[part]
        if one != other:
            length = min(len(one), len(other))
            at = next((number for number in range(length) if one[number] != other[number]), length)
            around = slice(max(at - AROUND, 0), at + AROUND)
            return {"part": part, "at": at, "recorded": one[around], "actual": other[around]}
    return None
