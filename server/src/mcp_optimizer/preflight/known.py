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

    def get(self, code: str) -> bytes | None:
        """The answer that was kept."""
        key = _key(code)
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def keep(self, code: str, answer: bytes) -> None:
        """For the next time, unless it is a long one."""
        if len(answer) > MAX_KEPT:
            return
        self._answers[_key(code)] = answer
        if len(self._answers) > MAX_PROGRAMS:
            self._answers.popitem(last=False)


def _key(code: str) -> bytes:
    return sha256(code.encode("utf-8", "surrogatepass")).digest()
