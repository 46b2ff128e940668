"""Row 18: a job misuses the way its tool calls take: floods it, forges its frames, asks for what it may not have."""

import asyncio
import time
from typing import Any

from scripts.stack import waiting
from scripts.stack.forward import forward
from scripts.stack.shell import kubectl

from mcp_optimizer.sandbox import conversation
from tests.attack import inside
from tests.attack.snippets import CHANNEL
from tests.attack.stage import EXCLUDED, NAMESPACE, Stage
from tests.attack.vocabulary import Control, Removal, Row, Target
from tests.e2e import agent

MAX_CALLS = 1000
MAX_IN_FLIGHT = 16
ASK = (
    CHANNEL
    + """
import collections, threading, time

def ask(seqs):
    for seq in seqs:
        send({'type': 'call', 'run': 1, 'seq': seq, 'tool': 'no.such', 'arguments': {}})

def read(size):
    data = b''
    while len(data) < size:
        data += channel.recv(size - len(data))
    return data
"""
)
FLOOD = (
    ASK
    + """
codes, wanted = collections.Counter(), 1040
threading.Thread(target=ask, args=(range(1, wanted + 1),)).start()
while sum(codes.values()) < wanted:
    answer = json.loads(read(struct.unpack('>I', read(4))[0]))
    codes[str((answer.get('error') or {}).get('code', 200))] += 1
dict(codes)
"""
)
RAW = ASK + "ask(params['seqs'])\ntime.sleep(params['wait'])\n'still here'"
FORGED: dict[str, list[Any]] = {"text": ["1"], "negative": [-1]}
DEPUTY = """
allowed = []
for name in params['names']:
    try:
        allowed.append([name, str(call(name, **params['arguments']))[:100]])
    except ToolError as error:
        if error.code not in (400, 403, 404):
            allowed.append([name, f'{error.code} {error.message}'[:200]])
        elif any(word in error.message.partition('did you mean')[2] for word in params['hidden']):
            allowed.append([name, 'suggested: ' + error.message[:200]])
    except (TypeError, ValueError):
        pass
allowed
"""
QUESTIONS = """
excluded = params['excluded']
server, _, name = excluded.partition('.')
found = [hit['id'] for hit in search(name.replace('_', ' '), limit=5) if hit['id'] == excluded]
for ask in (lambda: describe(excluded), lambda: getattr(getattr(tools, server), name)()):
    try:
        found.append(str(ask())[:100])
    except (ToolError, AttributeError):
        pass
found
"""
NAMES = [
    "execute_code", "execute", "execute_batch", "discover", "mcp.execute_code", "gvisor.execute_code",
    "acme", "acme.", ".acme", "acme.*", "*", "acme..hr_list_employees", "acme/../other.tool", "../../etc/passwd",
    "http://169.254.169.254/latest/meta-data/", "http://acme-mcp.attack.svc/mcp", "file:///etc/passwd", "relay.attack-bare.anything",
    "acme.attack-bare.svc.cluster.local:80/mcp", "acme\r\nHost: other.tool", "acme.\u0000", "kubernetes.default.get_secret", "$evil",
]  # fmt: skip


async def flood(target: Target) -> str | None:
    """More calls than a job may make."""
    codes = (await target.run(FLOOD, timeout_s=9)).expect()
    made = sum(count for code, count in codes.items() if code != "429")
    return f"{made} calls were made, {MAX_CALLS} are allowed" if made > MAX_CALLS else None


async def forged_numbers(target: Target) -> str | None:
    """Numbers that no worker gives a call. More of them: tests/unit/sandbox/test_tool_calls.py."""
    for name, seqs in FORGED.items():
        outcome = await target.run(RAW, timeout_s=8, seqs=seqs, wait=1)
        if outcome.kind != "killed" or "protocol" not in outcome.message:
            return f"{name}: ended as {outcome.kind or 'a success'}: {outcome.message[:200]}"
    return None


async def twice_the_same(target: Target) -> str | None:
    """One of them, for its proof."""
    outcome = await target.run(RAW, timeout_s=8, seqs=FORGED["negative"], wait=1)
    return None if outcome.kind == "killed" else f"ended as {outcome.kind or 'a success'}"


async def deputy(target: Target) -> str | None:
    """Tools that are excluded, tools of no server, meta-tools, names that look like addresses."""
    names = [EXCLUDED, EXCLUDED.replace(".", "_"), EXCLUDED.upper(), *NAMES]
    bare_name = EXCLUDED.partition(".")[2]
    allowed = (await target.run(DEPUTY, timeout_s=9, names=names, arguments={}, hidden=[bare_name])).expect()
    return f"let through: {allowed}" if allowed else None


async def questions(target: Target) -> str | None:
    """What a job may ask about the catalogue instead of calling: no more of it than a client."""
    found = (await target.run(QUESTIONS, timeout_s=9, excluded=EXCLUDED)).expect()
    return f"learnt of what is excluded: {found}" if found else None


async def _prove_exclusion(stage: Stage) -> str | None:
    """The same tool at an endpoint that does not exclude it."""
    name = "permissive"
    document = {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": name}, "spec": {}}
    stage.apply(document, NAMESPACE)
    try:
        await asyncio.to_thread(waiting.ready, "mcpo", name, NAMESPACE)
        return await asyncio.to_thread(_called_there, name)
    finally:
        await asyncio.to_thread(kubectl, "-n", NAMESPACE, "delete", "mcpo", name, "--wait=false")


def _called_there(name: str) -> str | None:
    """Waits until the endpoint knows its servers."""
    text = ""
    with forward(f"svc/{name}-optimizer", 80, NAMESPACE) as port:
        for _ in range(60):
            failed, text, _value = asyncio.run(agent.call(f"http://127.0.0.1:{port}/mcp", "execute", tool=EXCLUDED, arguments={}))
            if not failed:
                return None
            time.sleep(0.5)
    return f"without the exclusion the tool is not there either: {text[:200]}"


async def _prove_server_budget(stage: Stage) -> str | None:
    """A taken-over agent that does not count."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        for seq in range(6):
            writer.write(inside.frame({"type": "call", "seq": seq, "tool": "a.b", "arguments": {}}))
            await inside.receive(reader)
        writer.write(inside.result())

    async def effect() -> str | None:
        calls: list[str] = []
        await inside.outcome_of(script, calls, max_calls=2)
        return f"{len(calls)} calls were made" if len(calls) > 2 else None

    original = conversation.Conversation._outcome
    return await inside.proof(effect, (conversation.Conversation, "_outcome", lambda self, call, number: original(self, call, 0)))


async def _prove_server_in_flight(stage: Stage) -> str | None:
    """A taken-over agent that does not wait."""
    frames = [inside.frame({"type": "call", "seq": n, "tool": "a.b", "arguments": {}}) for n in range(200)]

    async def effect() -> str | None:
        outcome = await inside.outcome_of(inside.says(b"".join(frames), inside.result()))
        return "200 calls at once" if outcome.ok else None

    return await inside.proof(effect, (conversation, "MAX_OUTSTANDING", 10_000))


_NO_BUDGET = """import dataclasses, mcp_sandbox.run as r
_init = r.Run.__init__
def endless(self, request, *rest):
    _init(self, request, *rest)
    self._limits = dataclasses.replace(self._limits, max_calls=10**9)
r.Run.__init__ = endless"""
_NO_NUMBERS = """import mcp_sandbox.run as r
_relay = r.Run._relay_call
r.Run._relay_call = lambda self, frame: _relay(self, {**frame, "seq": abs(hash(str(frame.get("seq")))) % 1000})"""
ROW = Row(
    number=18,
    name="back-channel abuse",
    attacks=(flood, forged_numbers, deputy, questions),
    controls=(
        Control(name="the agent's budget of calls", off=Removal(name="no budget", agent=_NO_BUDGET), attack=flood),
        Control(name="the agent's check of numbers", off=Removal(name="no check of numbers", agent=_NO_NUMBERS), attack=twice_the_same),
        Control(name="the server's budget of calls", prove=_prove_server_budget),
        Control(name="the server's bound on open calls", prove=_prove_server_in_flight),
        Control(name="tools.exclude", prove=_prove_exclusion),
    ),
)
