"""What was read lately: many jobs of one program, with other parameters each, are the usual burst."""

from collections import OrderedDict
from hashlib import sha256
from typing import Final

MAX_PROGRAMS: Final = 256
MAX_KEPT: Final = 4096
"""Bytes of one answer. So all of them together are 1 MiB at most; a usual one has some hundreds."""


class Known:
    """Answers by program, the least recently asked for first to go."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        """The answer that was kept."""
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def keep(self, key: bytes, answer: bytes) -> None:
        """For the next time, unless it is a long one."""
        if len(answer) > MAX_KEPT:
            return
        self._answers[key] = answer
        if len(self._answers) > MAX_PROGRAMS:
            self._answers.popitem(last=False)


def key_of(code: str) -> bytes:
    """What a program is known by."""
    return sha256(code.encode("utf-8", "surrogatepass")).digest()
