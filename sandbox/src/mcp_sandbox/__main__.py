"""`python -m mcp_sandbox`: exit codes 0 result delivered, 2 bad settings, 3 nobody claimed it, 4 server lost, 5 worker died while warm, 6 told to end, 7 network open."""

import asyncio
import os
import sys
from typing import NoReturn

from .agent import Agent
from .hardening import become_subreaper, forget_environment, hide_from_job
from .journal import log
from .settings import Settings, SettingsError, from_environment
from .worker import Worker, prefork

EXIT_SETTINGS = 2


async def _serve(settings: Settings, worker: Worker) -> NoReturn:
    exit_code = await Agent(settings, worker).run()
    log("over", exitCode=exit_code)
    # Taking an interpreter down in order takes more processor time than a short job.
    os._exit(exit_code)


def main() -> int:
    """Prefork, then serve."""
    try:
        settings = from_environment()
    except SettingsError as error:
        log("bad settings", reason=str(error))
        return EXIT_SETTINGS
    forget_environment({"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": settings.workdir, "TMPDIR": settings.workdir, "LANG": "C.UTF-8"})
    become_subreaper()
    worker = prefork(settings.workdir)
    hide_from_job()
    asyncio.run(_serve(settings, worker))


if __name__ == "__main__":
    sys.exit(main())
