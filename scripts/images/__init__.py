"""Builds every image of the project into archives that a cluster can load: `python -m scripts.images` (or `make images`)."""
