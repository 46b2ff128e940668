"""The short way for requests of the usual shape: same rules, same `Endpoint`, without the SDK between.

Whatever is not exactly of that shape is left to the SDK-hosted server, which answers it, or refuses it in the words of the specification.
"""

from .app import FastPath
from .metrics import FastPathCollector

__all__ = ["FastPath", "FastPathCollector"]
