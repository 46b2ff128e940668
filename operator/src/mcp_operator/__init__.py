"""The operator: reconciles MCPOptimizer and MCPServer."""
