"""Runs the rows: attacks one after the other, first on one isolation, then on the other, then the proofs, a few at once.

Bombs beside each other would starve the Pods, the kubelet and the API server of a small node, and what then fails tells nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from .bare import Bare
from .endpoint import Endpoint
from .score import Score
from .stage import Stage
from .vocabulary import Attack, Control, Isolation, Removal, Row, Target, first_line

PROOFS_AT_ONCE = 2
ATTACK_SECONDS = 300


class Campaign:
    """One run over some rows."""

    def __init__(self, stage: Stage, rows: Iterable[Row], isolations: tuple[Isolation, ...]) -> None:
        self._stage, self._rows, self._isolations = stage, list(rows), isolations
        self.score = Score(isolations)
        self._attacks = True
        self._places = asyncio.Semaphore(PROOFS_AT_ONCE)
        self._known: dict[tuple[object, ...], asyncio.Task[str | None]] = {}

    async def run(self, *, attacks: bool = True, proofs: bool = True) -> None:
        """Everything."""
        self._attacks = attacks
        for isolation in self._isolations if attacks else ():
            await self._attack_all(isolation)
        wanted = [(row, control) for row in self._rows for control in row.controls if control.isolation in self._isolations]
        await asyncio.gather(*(self._prove(row, control) for row, control in wanted if proofs))

    async def _attack_all(self, isolation: Isolation) -> None:
        endpoint = Endpoint(self._stage, isolation)
        for row in self._rows:
            if isolation in row.untested:
                self.score.attack(row.number, isolation, f"cannot be tested here: {row.untested[isolation]}")
                continue
            for attack in row.attacks:
                started = time.monotonic()
                reason = await tried(attack, endpoint) or await self._normal_job(endpoint)
                self.score.attack(row.number, isolation, reason)
                tell(f"row {row.number} {isolation} {attack.__name__}", reason or "held", started)

    async def _normal_job(self, endpoint: Endpoint) -> str | None:
        """Whoever comes next has to be served."""
        outcome = await endpoint.run("sum(params['n'])", timeout_s=10, n=[1, 2, 3])
        return None if outcome.ok and outcome.value == 6 else f"the next job on the pool failed: {first_line(outcome.text)}"

    async def _prove(self, row: Row, control: Control) -> None:
        name = f"{row.number} {control.name}" + (" (gvisor)" if control.isolation == "gvisor" else "")
        started = time.monotonic()
        try:
            reason = await (self._proven(control.prove) if control.prove else self._without(row, control))
        except Exception as error:
            reason = f"the proof itself failed: {_told(error)}"
        self.score.control(name, reason)
        tell(f"control {name}", reason or "proven", started)

    async def _proven(self, prove: Callable[[Stage], Awaitable[str | None]]) -> str | None:
        async with self._places:
            return await prove(self._stage)

    async def _without(self, row: Row, control: Control) -> str | None:
        attack = control.attack or row.attacks[0]
        assert control.off is not None, f"{control.name} has neither `off` nor `prove`"
        if not (attack in row.attacks and self._attacks and not control.others):
            alone = await self._effect(attack, control.isolation, control.others)
            if alone is not None:
                return f"with this wall the attack succeeds: {alone}"
        effect = await self._effect(attack, control.isolation, (*control.others, control.off))
        return None if effect is not None else "without it the attack still has no effect: it proves nothing"

    async def _effect(self, attack: Attack, isolation: Isolation, removals: tuple[Removal, ...]) -> str | None:
        """The attack on bare Pods; walls that are proven together share the run without all of them."""
        key = (attack, isolation, frozenset(removal.name for removal in removals))
        if key not in self._known:
            self._known[key] = asyncio.create_task(self._on_bare(attack, isolation, removals))
        return await self._known[key]

    async def _on_bare(self, attack: Attack, isolation: Isolation, removals: tuple[Removal, ...]) -> str | None:
        bare = Bare(self._stage, isolation, *removals)
        async with self._places:
            try:
                return await asyncio.wait_for(attack(bare), ATTACK_SECONDS)
            finally:
                await bare.close()


async def tried(attack: Attack, target: Target) -> str | None:
    """Why the attack had an effect; a broken attack is no held wall."""
    try:
        return await asyncio.wait_for(attack(target), ATTACK_SECONDS)
    except Exception as error:
        return f"the attack could not be made: {_told(error)}"


def _told(error: Exception) -> str:
    """Of tasks that ran together, what the first to fail says."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {first_line(error)}"


def tell(what: str, verdict: str, started: float) -> None:
    """Progress, one line."""
    print(f"{what}: {verdict} ({time.monotonic() - started:.1f} s)", flush=True)
