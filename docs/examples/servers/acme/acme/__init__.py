"""A made-up company's workplace as one MCP server: a large catalogue over small data, for demonstrations, tests and benchmarks."""
