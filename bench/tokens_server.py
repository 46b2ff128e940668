"""The server process as it is in its Pod, with real sandbox agents as processes beside it instead of Pods: run as `python -m bench.tokens_server`.

Everything but the cluster is real: the agent that runs the code, the claim, the frames, the calls that come back. One agent is kept warm; it serves one
job and ends, and the next one takes its place.
"""

import asyncio
import signal
import sys
import tempfile
from os import environ
from pathlib import Path

import uvloop

from bench.sandbox_local import KEY, OneEvent, agent, pod
from mcp_optimizer.app import Process
from mcp_optimizer.kube import Event
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer.settings import from_environment


class Agents(OneEvent):
    """A watch of Pods that are processes; knows of none until the first job is near."""

    async def keep_warm(self, folder: str) -> None:
        """Start an agent, tell of it, wait for its end, for ever."""
        number = 0
        while True:
            number += 1
            process, port = await agent(f"pod-{number}", folder)
            try:
                self.events.put_nowait(Event("changed", (pod(f"pod-{number}", port, owner="0"),)))
                await process.wait()
                self.events.put_nowait(Event("deleted", (pod(f"pod-{number}", port, owner="0"),)))
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def serve() -> None:
    """Run until SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        await asyncio.to_thread(key.write_bytes, KEY)
        agents = Agents()
        process = Process(from_environment(environ), lane=PodLane(agents, key))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.stop.set)
        warm = asyncio.create_task(agents.keep_warm(folder))
        try:
            await process.run()
        finally:
            warm.cancel()
            await asyncio.gather(warm, return_exceptions=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(serve()))
