"""NetworkPolicy for the local cluster only: kind and real clusters bring an engine of their own. Pure rules, a thin watcher."""
