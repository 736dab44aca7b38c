"""One file a method: its networks put together, and its losses."""
