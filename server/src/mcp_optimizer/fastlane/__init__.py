"""The fast lane: orchestration code in an interpreter of its own, in a child process, without a Pod.

`lane` decides and falls back, `child` keeps the child process, `subset` says which code may go. `host`, `job`, `frames`, `confine` and
`worker` run in the child and import nothing of the server.
"""
