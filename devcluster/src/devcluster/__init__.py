"""A Kubernetes cluster for development and tests: existing, kind, or plain local processes."""
