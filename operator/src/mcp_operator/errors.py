"""Every error the operator raises on purpose.

OperatorError
├── SettingsError     the environment is wrong: the process does not start
├── TransientError    try again with back-off
│   ├── ConflictError the object is not what we thought: look again, then try again
│   ├── NotFoundError the object, or its namespace, is not there
│   └── BusyChildError an object of this name is on its way out, or waits for garbage collection
└── TerminalError     trying again changes nothing until somebody changes something; retried slowly
    └── NamespaceTerminatingError  the namespace is on its way out: write nothing any more
"""

from mcp_optimizer_api.status import Reason


class OperatorError(Exception):
    """Base of all deliberate errors."""


class SettingsError(OperatorError):
    """The environment of the process is wrong."""


class TransientError(OperatorError):
    """Expected to go away by itself: timeouts, lost connections, 409, 429, 5xx."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConflictError(TransientError):
    """The API server holds another version of the object than we do."""


class NotFoundError(TransientError):
    """The object, or the namespace it should be in, does not exist."""


class BusyChildError(TransientError):
    """The name is still taken by an object that is about to go. Concerns this child only."""


class TerminalError(OperatorError):
    """Somebody has to change something: 403, 422, 400."""

    def __init__(self, message: str, *, reason: Reason = Reason.FORBIDDEN) -> None:
        super().__init__(message)
        self.reason = reason


class NamespaceTerminatingError(TerminalError):
    """The namespace is being deleted: nothing can be created in it, and nothing should."""
