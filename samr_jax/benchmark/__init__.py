"""Times synthesis and the training step, and counts their work."""
