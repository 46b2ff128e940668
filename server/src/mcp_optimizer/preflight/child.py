"""The process that reads programs: `python -I -m mcp_optimizer.preflight.child FD`. Frames in, frames out, one after the other, until the
other end closes. A frame is a 4-byte big-endian length and JSON.
"""

import json
import resource
import socket
import struct
import sys
from typing import Final

from .reading import read

HEADER: Final = struct.Struct(">I")
MEMORY: Final = 192 * 1024 * 1024
"""Address space: the worst 64 KiB of code take 31 MB to parse."""


def serve(sock: socket.socket) -> None:
    """Answer until the end of the stream."""
    with sock.makefile("rb") as stream:
        while len(head := stream.read(HEADER.size)) == HEADER.size:
            (length,) = HEADER.unpack(head)
            answer = json.dumps(read(json.loads(stream.read(length)))).encode()
            sock.sendall(HEADER.pack(len(answer)) + answer)


def main() -> None:
    """Serve the socket with the descriptor that was given."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        serve(sock)


if __name__ == "__main__":
    main()
