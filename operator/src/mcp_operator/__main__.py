"""`python -m mcp_operator`: everything it needs to know is in the environment (docs/contract.md)."""

import asyncio
import os
import socket
import sys

from . import logs
from .app import main
from .errors import SettingsError
from .settings import from_env


def run() -> int:
    """Exit code 2 when the environment is wrong."""
    host = socket.gethostname()
    try:
        settings = from_env(os.environ, host=host)
    except SettingsError as error:
        sys.stderr.write(f"mcp-operator: {error}\n")
        return 2
    logs.set_up(settings.log_level)
    asyncio.run(main(settings, host=f"{host}_{os.getpid()}"))
    return 0


if __name__ == "__main__":
    sys.exit(run())
