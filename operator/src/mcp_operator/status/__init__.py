"""Status: from observations to conditions, pure but for `writer`, which writes them when they are due."""
