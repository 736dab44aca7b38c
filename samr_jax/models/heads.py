"""The synthesis and confidence map modules (section III-B, equation (1))."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers import Conv, ConvBlock

STYLES = ("per_branch", "shared")


class Head(nn.Module):
    """Convolutions 1 x 1 to 32, 3 x 3 to 16, 3 x 3 to 16, 3 x 3 to `outputs`.

    Attributes:
      outputs: channels that come out.
      norm: 'batch' (the paper, with ReLU), 'none' (released, with LeakyReLU 0.2), or
        another kind of `Norm`.
      slope: of the activation's negative side.
    """

    outputs: int = 1
    norm: str = "batch"
    slope: float = 0.0
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for i, (features, kernel) in enumerate(((32, 1), (16, 3), (16, 3))):
            x = ConvBlock(
                features,
                kernel,
                norm=self.norm,
                slope=self.slope,
                norm_axis=self.norm_axis,
                dtype=self.dtype,
                name=f"block_{i}",
            )(x, train=train)
        return Conv(self.outputs, 3, name="out")(x)


class ConfidenceHeads(nn.Module):
    """A synthesis module and the confidence map module that judges it.

    `__call__` maps the features f ``(N, H, W, C)`` to the intermediate image ŷ in
    (-1, 1) and its confidence c in (0, 1), each ``(N, H, W, outputs)``.
    """

    outputs: int = 1
    style: str = "per_branch"
    norm: str = "batch"
    norm_axis: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        released = self.style == "shared"
        options = {
            "norm": "none" if released else self.norm,
            "slope": 0.2 if released else 0.0,
            "norm_axis": self.norm_axis,
            "dtype": self.dtype,
        }
        synthesis = Head(self.outputs, name="synthesis", **options)
        confidence = Head(self.outputs, name="confidence", **options)
        intermediate = jnp.tanh(synthesis(x, train=train))
        x = jnp.concatenate([x, intermediate.astype(self.dtype)], -1)
        return intermediate, nn.sigmoid(confidence(x, train=train))
