"""The data plane behind an MCPOptimizer."""
