"""`python -m mcp_operator`: everything it needs to know is in the environment (docs/contract.md)."""

import asyncio
import logging
import os
import socket
import sys

from kubernetes.aio.config import ConfigException

from . import logs
from .app import main
from .errors import OperatorError, SettingsError
from .settings import from_env


def run() -> int:
    """Exit code 2 when the environment is wrong, 1 when the API server cannot be used."""
    host = socket.gethostname()
    try:
        settings = from_env(os.environ, host=host)
    except SettingsError as error:
        sys.stderr.write(f"mcp-operator: {error}\n")
        return 2
    logs.set_up(settings.log_level)
    try:
        asyncio.run(main(settings, host=f"{host}_{os.getpid()}"))
    except (ConfigException, OperatorError) as error:
        # Kubernetes starts the process again; whoever reads the log needs the cause, not our call stack.
        logging.getLogger(__name__).error("Ended: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
