"""A set that hands out a random member, each operation in constant time: a pool may have hundreds of Pods, and every claim picks one."""

import random


class Shelf:
    """Names, in no order."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._names)

    def put(self, name: str, there: bool) -> None:
        """Have it or not, whatever was before."""
        if there and name not in self._places:
            self._places[name] = len(self._names)
            self._names.append(name)
        elif not there and (place := self._places.pop(name, None)) is not None:
            last = self._names.pop()
            if last != name:
                self._names[place] = last
                self._places[last] = place

    def any(self) -> str:
        """One of them; IndexError when there is none."""
        return random.choice(self._names)
