"""Flax networks, one architecture in each file, without losses or configs."""
