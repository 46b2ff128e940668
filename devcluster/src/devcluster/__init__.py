"""A Kubernetes cluster for development and tests: one the user names, kind, or plain processes on this machine."""
