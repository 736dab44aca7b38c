"""Timing synthesis and the training step, and counting their work."""
