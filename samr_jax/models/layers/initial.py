"""The values that parameters and running statistics start with.

They are the paper's: kernels of convolutions N(0, 0.02), scales of norms N(1, 0.02),
biases and running means 0, running variances 1. Ronneberger's U-Net starts with wider
kernels; see `samr_jax.models.layers.convolution.Convolution`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """A normal distribution, and a constant if `stddev` is 0: an initialiser for Flax.

    Attributes:
      mean: of all values.
      stddev: standard deviation of all values.
    """

    mean: float
    stddev: float = 0.0

    def __call__(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
    ) -> jax.Array:
        return self.of_noise(jax.random.normal(key, shape, dtype))

    def of_noise(self, noise: Any) -> Any:
        """Turns standard normal numbers into numbers of this distribution."""
        return self.mean + self.stddev * noise


PAPER = {
    "kernel": Gaussian(0.0, 0.02),
    "scale": Gaussian(1.0, 0.02),
    "bias": Gaussian(0.0),
    "mean": Gaussian(0.0),
    "var": Gaussian(1.0),
}
"""Name of a parameter or of a running statistic -> the distribution it starts with."""


class Layer(nn.Module):
    """A layer that says how each of its parameters and running statistics starts.

    `samr_jax.models.initialise` asks every layer of a network, so that it can draw all
    values at once.
    """

    def initial(self, name: str, shape: tuple[int, ...]) -> Gaussian:
        """The distribution that the array `name` of this shape starts with."""
        del shape
        return PAPER[name]

    def start(self, name: str, shape: tuple[int, ...]) -> jax.Array:
        """The parameter `name`, in float32."""
        found: Any = self.get_variable("params", name)
        if found is not None and found.shape == shape:
            return found  # Flax would trace how it starts, to compare the shapes.
        return self.param(name, self.initial(name, shape), shape)

    def start_statistic(self, name: str, shape: tuple[int, ...]) -> nn.Variable:
        """The running statistic `name`, which starts as a constant."""
        value = self.initial(name, shape).mean
        return self.variable("batch_stats", name, jnp.full, shape, value)
