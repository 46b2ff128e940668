"""Malformed requests and hostile replies by the thousand, from a seed, against the real server process (docs/development.md)."""
