"""What a run is on disk: its record, checkpoints, weights and provenance."""
