"""Batches of slices: paired, unpaired, and with mirror images."""
