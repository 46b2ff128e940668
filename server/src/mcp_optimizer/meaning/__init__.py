"""Ranking by meaning, with vectors of somebody else's embedding model. Optional: everything works without, and goes on when the model is away."""

from .client import EmbeddingClient
from .service import Meanings, Outcome

__all__ = ["EmbeddingClient", "Meanings", "Outcome"]
