"""Flax networks, one architecture a file; they know nothing of losses or configs."""
