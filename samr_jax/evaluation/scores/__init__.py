"""Scores of images, labels and confidence, and their statistics; numpy only."""
