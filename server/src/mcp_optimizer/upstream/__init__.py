"""The servers behind the endpoint: how to talk to them, and what they offer."""
