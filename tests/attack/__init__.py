"""The attack suite: every way out that is known, tried against the installed product, and every wall taken down once."""
