"""Recordings, kept in memory by the replica that made them and readable through all. They hold results of tools: never on a disk, never in a log."""

from collections import Counter
from typing import Final

from mcp_optimizer.errors import NOT_FOUND, CallFailure
from mcp_optimizer.keys import KeyUnreadable
from mcp_optimizer.seal import Sealer
from mcp_optimizer.state.locator import Locator, Words
from mcp_optimizer.state.peers import Answer, Peers, Question
from mcp_optimizer.state.store import Store
from mcp_optimizer_api.config import RecordingConfig

from .recorder import Recorder

MAX_RECORDINGS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one recording: it passes between replicas in one piece."""
OUTCOMES: Final = ("kept", "given_up")
REPLAYS: Final = ("identical", "different")
_WORDS: Final = Words(
    expired="the recording has expired: record the job again (spec.recording.retentionSeconds says how long one is kept)",
    not_ours="that is no recording of this endpoint: copy the handle exactly from the answer that had it",
)
_FORGOTTEN: Final = "the recording is no longer kept (newer ones needed the room, or its replica restarted): record the job again"


class Recordings:
    """This replica's recordings, and the way to those of others."""

    def __init__(self, sealer: Sealer, peers: Peers) -> None:
        self._locator = Locator("recording", sealer, peers, _WORDS)
        self._peers = peers
        self._config = RecordingConfig()
        self.kept: Store[bytes] = Store(max_entries=MAX_RECORDINGS, max_bytes=0)
        self.outcomes: Counter[str] = Counter()
        """Jobs that were to be recorded, by OUTCOMES."""
        self.replays: Counter[str] = Counter()
        """Jobs that ran again, by REPLAYS."""
        peers.offer("recording", self._read_here)

    @property
    def enabled(self) -> bool:
        """Whether jobs are recorded."""
        return self._config.enabled

    @property
    def limit(self) -> int:
        """The largest recording in bytes."""
        return min(self._config.max_bytes, MAX_BYTES)

    def configure(self, config: RecordingConfig) -> None:
        """New settings; what does not fit any more is forgotten."""
        self._config = config
        self.kept.resize(config.max_bytes if config.enabled else 0)

    def keep(self, data: bytes | None, recorder: Recorder) -> str | None:
        """A handle for what the recorder heard; None when there is none, and `recorder.given_up` then says why."""
        handle = self._put(data) if data is not None else None
        if data is not None and handle is None:
            recorder.given_up = "this replica cannot read the key that handles are sealed with"
        self.outcomes["kept" if handle is not None else "given_up"] += 1
        return handle

    def _put(self, data: bytes) -> str | None:
        seconds = float(self._config.retention_seconds)
        name = self.kept.put(data, len(data), seconds)
        try:
            return self._locator.handle(name, seconds) if name is not None else None
        except KeyUnreadable:
            return None

    async def get(self, handle: str) -> bytes:
        """The recording. Raises `CallFailure`: 404 expired, gone or not ours."""
        owner, name = self._locator.find(handle)
        _, data = await self._peers.ask(owner, "recording", {"id": name.hex()})
        return data

    async def _read_here(self, question: Question) -> Answer:
        data = self.kept.get(bytes.fromhex(question["id"]))
        if data is None:
            raise CallFailure(NOT_FOUND, _FORGOTTEN)
        return {}, data
