"""Row 11: a job goes on after its end: sessions of its own, double forks, deafness to signals, a daemon that outlives the result."""

from tests.attack.pods import ended
from tests.attack.removals import NO_DEADLINE, field
from tests.attack.vocabulary import Control, Manifest, Outcome, Removal, Row, Target

DAEMONS = """
import ctypes, os, signal, time
def deaf():
    for number in range(1, signal.NSIG):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
libc = ctypes.CDLL(None)
ours = 0
for trick in ("setsid", "subreaper", "no death signal", "stopped", "new group"):
    if os.fork() == 0:
        if trick == "subreaper": libc.prctl(36, 1, 0, 0, 0)
        if trick == "no death signal": libc.prctl(1, 0, 0, 0, 0)
        os.setsid() if trick != "new group" else os.setpgid(0, 0)
        if os.fork() == 0:
            os.setpgid(0, 0)
            deaf()
            open(f"daemon-{os.getpid()}", "w").close()
            if trick == "stopped": os.kill(os.getpid(), signal.SIGSTOP)
            for descriptor in range(0, 100):
                try: os.close(descriptor)
                except OSError: pass
            while True: time.sleep(0.2)
        os._exit(0) if trick != "subreaper" else time.sleep(600)
while len([name for name in os.listdir(".") if name.startswith("daemon")]) < 5: time.sleep(0.02)
print([line.split()[0] for line in open("/etc/hosts") if line.split()[-1:] == ["sandbox"]][0], flush=True)
"""
PATIENCE_SECONDS = 20.0
"""How long the Pod of a job that has ended may still show as running."""


async def after_the_result(target: Target) -> str | None:
    """Daemons whose job returns at once."""
    outcome = await target.run(DAEMONS + "'returned'", timeout_s=38)
    return f"ended as {outcome.kind}: {outcome.message}" if outcome.value != "returned" else await _left_over(target, outcome)


async def after_the_result_in_short(target: Target) -> str | None:
    """The same for a proof, where the Pod is known to go on."""
    return await _left_over(target, await target.run(DAEMONS + "'returned'", timeout_s=38), seconds=6)


async def after_the_deadline(target: Target) -> str | None:
    """A job that is deaf itself, and stays."""
    outcome = await target.run(DAEMONS + "deaf()\nwhile True: pass", timeout_s=5)
    if not outcome.stdout:  # a busy machine: it had not made its daemons yet
        outcome = await target.run(DAEMONS + "deaf()\nwhile True: pass", timeout_s=38)
    return f"ended as {outcome.kind or 'success'}" if outcome.kind != "timeout" else await _left_over(target, outcome)


async def after_exit(target: Target) -> str | None:
    """A job whose first process goes away without a word."""
    outcome = await target.run(DAEMONS + "os._exit(0)", timeout_s=38)
    return f"ended as {outcome.kind or 'success'}" if outcome.kind != "killed" else await _left_over(target, outcome)


async def _left_over(target: Target, outcome: Outcome, *, seconds: float = PATIENCE_SECONDS) -> str | None:
    """Whether the Pod of the job goes on."""
    assert outcome.stdout, "the job was too slow to make its daemons"
    address = outcome.stdout.split()[0]
    try:
        await target.stage.watch.until("the end", lambda: ended(target.stage.watch.at(address)), seconds=seconds)
    except AssertionError:
        return f"the Pod at {address} goes on {seconds:g} s after its job has ended"
    return None


async def without_end(target: Target) -> str | None:
    """What nothing in the Pod ends is ended from outside."""
    outcome = await target.run(DAEMONS + "time.sleep(600)", timeout_s=40)
    return None if outcome.kind in ("lost", "killed", "unfit") else f"still there: {outcome.kind}"


def _deadline(seconds: int) -> Removal:
    return Removal(name=f"activeDeadlineSeconds of {seconds}", pod=field("spec", "activeDeadlineSeconds", value=seconds))


def _no_deadline(pod: Manifest) -> None:
    del pod["spec"]["activeDeadlineSeconds"]


STAYS = Removal(name="the agent stays after its job", agent="import mcp_sandbox.agent as a\na.Agent._end = lambda *_: None")
ROW = Row(
    number=11,
    name="escape from the timeout",
    attacks=(after_the_result, after_the_deadline, after_exit),
    controls=(
        Control(name="the Pod ends with its job", off=STAYS, attack=after_the_result_in_short),
        Control(name="the agent's deadline", off=NO_DEADLINE, attack=after_the_deadline),
        Control(
            name="activeDeadlineSeconds",
            off=Removal(name="no activeDeadlineSeconds", pod=_no_deadline),
            others=(NO_DEADLINE, _deadline(30)),
            attack=without_end,
        ),
    ),
)
