"""The contract between the rooms: pydantic models without I/O."""
