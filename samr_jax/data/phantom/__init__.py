from samr_jax.data.phantom.geometry import grid
from samr_jax.data.phantom.simulate import simulate_subject

__all__ = ["grid", "simulate_subject"]
