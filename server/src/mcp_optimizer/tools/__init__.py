"""The meta-tools: what the model sees instead of every tool."""
