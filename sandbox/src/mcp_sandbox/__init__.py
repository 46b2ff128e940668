"""Programs that run inside Pods nobody trusts: standard library only."""
