"""The server process on loopback: real MCP client SDK in front, upstreams of every temper behind."""
