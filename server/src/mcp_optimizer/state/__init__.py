"""State that one replica holds and every replica reaches: addressed by a sealed handle that names its holder, fetched from there."""
