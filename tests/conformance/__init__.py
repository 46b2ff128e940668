"""The official conformance suite against the real server process, and what it may fail (docs/development.md)."""
