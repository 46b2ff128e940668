"""Row 15: a job leaves something behind for the next one, or finds what the last one left."""

import asyncio
from typing import Any

from mcp_optimizer_api.job import Start, pod_token
from tests.attack.bare import POOL_KEY, Bare, limits
from tests.attack.pods import ready
from tests.attack.stage import BARE_NAMESPACE, Stage
from tests.attack.vocabulary import Control, Removal, Row, Target

MARK = "left-by-an-earlier-job"
LEAVE = f"""
import builtins, ctypes, os, random, socket, statistics, time, uuid
left = []
for folder in ('/work', '/tmp', '/dev/shm', '/var/tmp', '/run'):
    try:
        with open(folder + '/{MARK}', 'w') as file:
            file.write('x')
        left.append(folder)
    except OSError:
        pass
builtins.{MARK.replace("-", "_")} = statistics.mean = lambda *a: 'changed'
os.environ['LEFT'] = '{MARK}'
listener = socket.socket(socket.AF_UNIX)
listener.bind('\\0{MARK}')
listener.listen()
libc = ctypes.CDLL(None)
libc.shmget(0x6d6370, 4096, 0o1666)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(15, b'left-behind', 0, 0, 0)
        while True:
            time.sleep(1)
    os._exit(0)
[random.random(), str(uuid.uuid4()), os.urandom(8).hex(), id(left), len(left)]
"""
FIND = f"""
import builtins, ctypes, os, random, socket, statistics, uuid
found = []
for folder, folders, files in os.walk('/'):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ('/proc', '/sys', '/usr', '/lib')]
    found += [os.path.join(folder, name) for name in files if name == '{MARK}']
if hasattr(builtins, '{MARK.replace("-", "_")}') or statistics.mean([1, 3]) != 2:
    found.append('a changed module')
if 'LEFT' in os.environ:
    found.append('environment')
try:
    socket.socket(socket.AF_UNIX).connect('\\0{MARK}')
    found.append('a socket')
except OSError:
    pass
if ctypes.CDLL(None).shmget(0x6d6370, 4096, 0) != -1:
    found.append('shared memory')
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        if 'left-behind' in open(f'/proc/{{pid}}/comm').read():
            found.append('a process')
    except OSError:
        pass
[found, len([name for name in os.listdir('/proc') if name.isdigit()]), [random.random(), str(uuid.uuid4()), os.urandom(8).hex()]]
"""

NO_LATCH = """import mcp_sandbox.agent as a
_answer = a.Agent._answer_start
def forgetful(self, stream, body):
    self._owner = self._job = None
    _answer(self, stream, body)
a.Agent._answer_start = forgetful"""


async def leave_and_find(target: Target) -> str | None:
    """One job after the other, then two at once."""
    left = (await target.run(LEAVE, timeout_s=8)).expect()
    assert left[-1] >= 1, "the first job could leave nothing at all"
    (found, processes, drawn) = (await target.run(FIND, timeout_s=8)).expect()
    if found or processes != 2:
        return f"found {found} and {processes} processes"
    first, second = await asyncio.gather(target.run(LEAVE, timeout_s=8), target.run(FIND, timeout_s=8))
    (found, processes, other) = second.expect()
    if found or processes != 2:
        return f"found {found} and {processes} processes of a job at the same time"
    same = [a for a, b in zip(drawn, other, strict=True) if a == b or a in left or b in first.expect()]
    return f"two jobs drew the same random values: {same}" if same else None


async def _prove_latch(stage: Stage) -> str | None:
    """Two jobs for one Pod."""
    if (held := await _second_job(Bare(stage, "runc"))) != "rejected":
        return f"with the latch a second job was {held}"
    off = Removal(name="no latch", agent=NO_LATCH)
    loose = await _second_job(Bare(stage, "runc", off))
    return None if loose == "accepted" else f"without the latch a second job was {loose}"


async def _second_job(bare: Bare) -> str:
    """How the Pod that runs a job answers another."""
    try:
        name = await bare.create()
        pod: Any = await stage_pod(bare, name)
        first, second = (
            Start(token=pod_token(POOL_KEY, name), job=f"job-{number}", code="import time\ntime.sleep(8)", limits=limits(8)).model_dump(
                by_alias=True, mode="json"
            )
            for number in (1, 2)
        )
        async with bare.stage.relay.dial(pod["status"]["podIP"], 8765) as one, bare.stage.relay.dial(pod["status"]["podIP"], 8765) as two:
            await one.send(first)
            assert (await one.receive())["type"] == "accepted"
            await two.send(second)
            return str((await asyncio.wait_for(two.receive(), 5))["type"])
    finally:
        await bare.close()


async def stage_pod(bare: Bare, name: str) -> Any:
    """The Pod once it is warm."""

    def warm() -> Any:
        pod = bare.stage.watch.get(BARE_NAMESPACE, name)
        return pod if pod is not None and ready(pod) else None

    return await bare.stage.watch.until(f"{name} is warm", warm)


ROW = Row(
    number=15,
    name="leakage from job to job",
    attacks=(leave_and_find,),
    controls=(Control(name="one job per Pod (latch)", prove=_prove_latch),),
)
