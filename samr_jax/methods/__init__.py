"""One file a method: its settings, its networks put together, and its losses."""
