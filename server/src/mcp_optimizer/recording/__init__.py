"""Jobs that can be run again without their servers: what a job was given, each of its calls with its answer, and how it ended."""

from .player import Player
from .recorder import Recorder
from .recordings import Recordings
from .tape import Given, Tape, read

__all__ = ["Given", "Player", "Recorder", "Recordings", "Tape", "read"]
