"""Files that jobs leave behind: kept beside the long results, in the same bounds, and given out again as they are. Nothing looks into them."""

import base64
import contextlib
import hashlib
from collections import Counter
from typing import Any, Final

from .errors import TOO_MANY, UNAVAILABLE, CallFailure, RpcError
from .keys import KeyUnreadable
from .lane import JobOutcome
from .memory import MemoryFull, hold_here
from .state.handles import KEEP_SECONDS, Handles

SCHEME: Final = "artifact:///"
"""Before a handle: the URI of the resource. Three slashes, because clients write what follows two in small letters."""
OUTCOMES: Final = ("kept", "left_out")
RESOURCE_NOT_FOUND: Final = -32002
_NO_KEY: Final = "this replica cannot read the key that handles are sealed with"


class Artifacts:
    """Of all jobs of this replica; those of others are read through their handles."""

    def __init__(self, handles: Handles) -> None:
        self._handles = handles
        self.outcomes: Counter[str] = Counter()
        """Files by what became of them, one of OUTCOMES."""
        self.bytes = 0
        """Of all that were kept."""

    def keep(self, outcome: JobOutcome) -> dict[str, Any]:
        """What the answer says about the job's files: `artifacts`, and `artifacts_left_out` with reasons; neither when there are none."""
        kept: list[dict[str, Any]] = []
        left_out = [{"name": item.name, "reason": item.reason} for item in outcome.left_out]
        for item in outcome.artifacts:
            try:
                handle = self._handles.put(item.data)
            except KeyUnreadable:
                handle = None
            if handle is None:
                left_out.append({"name": item.name, "reason": _NO_KEY})
                continue
            self.bytes += len(item.data)
            digest = hashlib.sha256(item.data).hexdigest()
            kept.append({"name": item.name, "bytes": len(item.data), "sha256": digest, "handle": handle})
        self.outcomes.update({"kept": len(kept), "left_out": len(left_out)})
        shown = {"artifacts": kept, "artifacts_left_out": left_out}
        return {name: items for name, items in shown.items() if items}

    def lend(self, data: bytes) -> str:
        """A handle of bytes that another replica shall fetch now. Raises `CallFailure`: 429 no room, 503 no key to seal handles with."""
        try:
            handle = self._handles.put(data)
        except KeyUnreadable:
            raise CallFailure(UNAVAILABLE, _NO_KEY) from None
        if handle is None:
            raise CallFailure(TOO_MANY, f"no room to pass a file of {len(data)} bytes on: pass less at once")
        return handle

    def take_back(self, handle: str) -> None:
        """End what `lend` began. A handle that nobody can open any more is nobody's concern, and no reason to lose what was done with it."""
        with contextlib.suppress(CallFailure):
            self._handles.take_back(handle)

    def touch(self, handle: str) -> None:
        """Keep it, where it is kept here, longer than what comes now."""
        with contextlib.suppress(CallFailure):
            self._handles.touch(handle.removeprefix(SCHEME))

    async def fetch(self, handle: str) -> bytes:
        """The file behind a handle or its URI. Raises `CallFailure`: 400 not ours, 404 expired or gone, 429 no memory."""
        data = await self._handles.fetch(handle.removeprefix(SCHEME))
        try:
            await hold_here(len(data))
        except MemoryFull:
            raise CallFailure(TOO_MANY, f"no memory for a file of {len(data)} bytes at this moment: try again") from None
        return data

    async def read(self, uri: str) -> dict[str, Any]:
        """The result of `resources/read`. Raises `CallFailure`."""
        try:
            data = await self.fetch(uri)
        except CallFailure as failure:
            raise CallFailure(failure.code, failure.message, RpcError(RESOURCE_NOT_FOUND, failure.message)) from None
        blob = base64.b64encode(data).decode()
        contents = [{"uri": uri, "mimeType": "application/octet-stream", "blob": blob}]
        return {"contents": contents, "ttlMs": int(KEEP_SECONDS * 1000), "cacheScope": "private"}


def is_artifact(uri: str) -> bool:
    """Whether this URI is one of ours, and of no server."""
    return uri.startswith(SCHEME)
