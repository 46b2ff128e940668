"""Desired state: pure builders of manifests, one noun per module. No clock, no I/O."""
