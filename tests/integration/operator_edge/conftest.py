"""The operator as a process, as in its own integration tests."""

from tests.integration.operator.conftest import cluster, operator

__all__ = ["cluster", "operator"]
