"""Pictures and records by which a preparation is checked."""
