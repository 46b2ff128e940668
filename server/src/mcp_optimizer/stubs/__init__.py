"""Tools as Python functions in job code: which names they have there, and what their types are. Descriptions are data, never source text."""
