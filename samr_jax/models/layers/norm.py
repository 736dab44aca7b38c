"""Batch norm, synchronised over devices, and instance norm."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from samr_jax.models.layers.initial import Layer


class Norm(Layer):
    """Normalises over space, and over the batch if `kind` is 'batch'.

    Batch norm normalises with the biased variance and accumulates the unbiased one for
    evaluation, as PyTorch does. Instance norm has neither parameters nor statistics;
    'affine_instance' has a scale and a bias, and equals batch norm in training on
    batches of one. All kinds compute in float32.

    Attributes:
      kind: 'batch', 'instance', 'affine_instance' or 'none'.
      norm_axis: mapped axis of the devices over which batch statistics are averaged.
      dtype: dtype of the result.
      momentum: weight of a new batch in the running statistics, as PyTorch defines it.
      epsilon: added to the variance.
    """

    kind: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32
    momentum: float = 0.1
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, groups: int = 1) -> jax.Array:
        """Normalises a batch.

        Args:
          x: ``(N, H, W, C)``.
          train: whether batch statistics are used and accumulated.
          groups: number of equal parts of the batch. Each has batch statistics of its
            own, as if the layer were called on one part after the other.
        """
        if self.kind == "none":
            return x
        x = x.astype(jnp.float32)
        if self.kind == "batch":
            mean, variance = self._batch_moments(x, train, groups)
        else:
            mean, variance = _moments(x, (1, 2))
            mean, variance = mean[:, None, None], variance[:, None, None]
        scale, bias = lax.rsqrt(variance + self.epsilon), 0.0
        if self.kind != "instance":
            scale = self.start("scale", x.shape[-1:]) * scale
            bias = self.start("bias", x.shape[-1:])
        return ((x - mean) * scale + bias).astype(self.dtype)

    def _batch_moments(
        self, x: jax.Array, train: bool, groups: int
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and variance to normalise with; in training they are accumulated."""
        running_mean = self.start_statistic("mean", x.shape[-1:])
        running_variance = self.start_statistic("var", x.shape[-1:])
        if not train:
            return running_mean.value, running_variance.value
        synchronise = self.norm_axis is not None and not self.is_initializing()
        axis = self.norm_axis if synchronise else None
        parts = x.reshape(groups, -1, *x.shape[1:])
        mean, variance = _moments(parts, (1, 2, 3), axis)
        count = parts[0].size // x.shape[-1] * (lax.axis_size(axis) if axis else 1)
        if not self.is_initializing():
            unbiased = variance * (count / max(count - 1, 1))
            for running, values in ((running_mean, mean), (running_variance, unbiased)):
                for value in values:
                    running.value += self.momentum * (value - running.value)
        if groups == 1:
            return mean[0], variance[0]
        mean, variance = (
            jnp.repeat(value, parts.shape[1], axis=0)[:, None, None]
            for value in (mean, variance)
        )
        return mean, variance


def _moments(
    x: jax.Array, axes: tuple[int, ...], axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance over `axes`, and over devices in one collective."""
    mean, square = x.mean(axes), jnp.square(x).mean(axes)
    if axis_name is not None:
        mean, square = lax.pmean((mean, square), axis_name)
    return mean, jnp.maximum(square - jnp.square(mean), 0)
