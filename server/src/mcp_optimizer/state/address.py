"""Where a replica answers its peers, and the few bytes in which a handle says so."""

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

_PORT: Final = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Address:
    """IP address and management port of a server Pod."""

    ip: str
    port: int

    @property
    def netloc(self) -> str:
        """As a URL has it."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    def pack(self) -> bytes:
        """6 bytes, or 18 for IPv6."""
        return _PORT.pack(self.port) + ipaddress.ip_address(self.ip).packed

    @classmethod
    def unpack(cls, data: bytes) -> "Address":
        """The opposite; ValueError for anything else."""
        return cls(str(ipaddress.ip_address(data[_PORT.size :])), _PORT.unpack_from(data)[0])
