"""The one exception of this package: a sentence for the person at the terminal, never a traceback."""


class ClusterError(Exception):
    """Something the user can act on; the message says what to do."""
