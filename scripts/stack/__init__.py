"""The product on a cluster: what the demo, the end-to-end tests and the benchmarks do before their own work begins."""
