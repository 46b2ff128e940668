"""Traces in the format of OpenTelemetry: what a request did and where its time went, sent to a collector that the resource names.

Off, it costs a request one look at a context variable for each place that could start a span.
"""

from .span import Span, child
from .tracer import Tracer

__all__ = ["Span", "Tracer", "child"]
