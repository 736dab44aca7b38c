"""Convolutions as PyTorch computes them, and their forms for CPUs."""
