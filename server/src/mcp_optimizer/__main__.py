"""`python -m mcp_optimizer`: read the environment, run until SIGTERM."""

import asyncio
import os
import signal
import sys

import uvloop

from . import logs
from .app import Process
from .background import take_turns
from .settings import Settings, SettingsError, from_environment


async def _run(settings: Settings) -> None:
    process = Process(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop.set)
    await process.run()


def main() -> int:
    """Exit code 2 for a wrong environment, 0 after a drain."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(settings.log_level)
    take_turns()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
