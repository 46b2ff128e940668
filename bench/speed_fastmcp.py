"""fastmcp as a proxy in front of the fixture, as its documentation builds it: `python -m bench.speed_fastmcp PORT URL`, in its own environment."""

import sys

from fastmcp.server import create_proxy  # type: ignore[import-not-found, unused-ignore]

if __name__ == "__main__":
    proxy = create_proxy(sys.argv[2], name="yardstick")
    proxy.run(
        transport="http",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        show_banner=False,
        log_level="ERROR",
        stateless_http=True,
        json_response=True,
    )
