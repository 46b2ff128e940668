"""Kubernetes quantities as numbers: defaults have to be compared with the limits that users write."""

from decimal import Decimal
from typing import Final

_SUFFIXES: Final[dict[str, Decimal]] = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def number(quantity: str) -> Decimal:
    """The amount of `quantity` in its base unit: cores, bytes."""
    for length in (2, 1):
        factor = _SUFFIXES.get(quantity[-length:])
        if factor is not None:
            return Decimal(quantity[:-length]) * factor
    return Decimal(quantity)
