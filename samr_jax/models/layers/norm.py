"""Batch norm, synchronised over devices, and instance norm."""

from __future__ import annotations

from functools import partial
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
            mean, variance = _instance_moments(x)
        scale = bias = None
        if self.kind != "instance":
            scale = self.start("scale", x.shape[-1:])
            bias = self.start("bias", x.shape[-1:])
        y = _normalise(x, mean, variance, scale, bias, epsilon=self.epsilon)
        return y.astype(self.dtype)

    def _batch_moments(
        self, x: jax.Array, train: bool, groups: int
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and variance to normalise with; in training they are accumulated."""
        running_mean = self.start_statistic("mean", x.shape[-1:])
        running_variance = self.start_statistic("var", x.shape[-1:])
        running = running_mean.value, running_variance.value
        if not train:
            return running
        synchronise = self.norm_axis is not None and not self.is_initializing()
        moments, accumulated = _batch_moments(
            x,
            running,
            groups=groups,
            axis_name=self.norm_axis if synchronise else None,
            momentum=self.momentum,
        )
        if not self.is_initializing():
            running_mean.value, running_variance.value = accumulated
        return moments


# Under `jax.jit`, norms of equal shapes are traced once. The networks have many.

Moments = tuple[jax.Array, jax.Array]
"""Mean and biased variance, in shapes that broadcast over the pixels of a batch."""


@partial(jax.jit, static_argnames="epsilon")
def _normalise(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    scale: jax.Array | None,
    bias: jax.Array | None,
    *,
    epsilon: float,
) -> jax.Array:
    inverse = lax.rsqrt(variance + epsilon)
    if scale is None or bias is None:
        return (x - mean) * inverse
    return (x - mean) * (scale * inverse) + bias


@jax.jit
def _instance_moments(x: jax.Array) -> Moments:
    mean, variance = _moments(x, (1, 2))
    return mean[:, None, None], variance[:, None, None]


@partial(jax.jit, static_argnames=("groups", "axis_name", "momentum"))
def _batch_moments(
    x: jax.Array,
    running: Moments,
    *,
    groups: int,
    axis_name: str | None,
    momentum: float,
) -> tuple[Moments, Moments]:
    """The moments of each group, and the running ones after all groups."""
    parts = x.reshape(groups, -1, *x.shape[1:])
    mean, variance = _moments(parts, (1, 2, 3), axis_name)
    devices = lax.axis_size(axis_name) if axis_name else 1
    count = parts[0].size // x.shape[-1] * devices
    unbiased = variance * (count / max(count - 1, 1))
    running_mean, running_variance = running
    for group in range(groups):
        running_mean += momentum * (mean[group] - running_mean)
        running_variance += momentum * (unbiased[group] - running_variance)
    if groups == 1:
        return (mean[0], variance[0]), (running_mean, running_variance)
    each = parts.shape[1]
    mean = jnp.repeat(mean, each, axis=0)[:, None, None]
    variance = jnp.repeat(variance, each, axis=0)[:, None, None]
    return (mean, variance), (running_mean, running_variance)


def _moments(
    x: jax.Array, axes: tuple[int, ...], axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance over `axes`, and over devices if they have an axis.

    The variance is the mean of squared deviations. The difference of two means,
    E[x²] - E[x]², would lose all digits where the mean is large.
    """

    def average(values: jax.Array) -> jax.Array:
        values = values.mean(axes, keepdims=True)
        return values if axis_name is None else lax.pmean(values, axis_name)

    mean = average(x)
    # The deviations sum to 0, so that the variance does not depend on the mean in first
    # order. Without its gradient the backward pass has one sum less.
    variance = average(jnp.square(x - lax.stop_gradient(mean)))
    return mean.squeeze(axes), variance.squeeze(axes)
