"""Who a request is from, for limits of which every client has its own: one place to change when clients have names.

Today it is the address that a request comes from, as for `limits.maxInFlightPerClient`: the address of a proxy where there is one.
"""

from contextvars import ContextVar
from typing import Final

from .asgi import Scope

NOBODY: Final = ""
_current: ContextVar[str] = ContextVar("client", default=NOBODY)


def client_of(scope: Scope) -> str:
    """The client of a request."""
    return str((scope.get("client") or (NOBODY,))[0])


def serve(client: str) -> None:
    """What this task does from now on, it does for this client; so do tasks that it starts."""
    _current.set(client)


def current_client() -> str:
    """For whom this code runs; NOBODY outside of a request."""
    return _current.get()
