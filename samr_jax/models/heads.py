"""The synthesis module (SM) and the confidence map module (CM) (section III-B)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from samr_jax.models.layers import Conv, ConvBlock

STYLES = ("per_branch", "shared")


class Head(nn.Module):
    """Four convolutions: 1 x 1 to 32 channels, 3 x 3 to 16, 16 and `outputs` channels.

    Attributes:
      outputs: output channels.
      norm: kind of `Norm` after each convolution but the last: 'batch' in the paper,
        'none' in the released code.
      slope: slope of the activation where its input is negative: 0 (ReLU) in the paper,
        0.2 in the released code.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
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
    """A synthesis module, and the confidence map module that judges its image.

    Calling them maps the features f ``(N, H, W, C)`` of a branch to the intermediate
    image ŷ in (-1, 1) and its confidence map c in (0, 1), each ``(N, H, W, outputs)``;
    equation (1) compares ŷ with the real image, weighted by c.

    Attributes:
      outputs: channels of ŷ and of c.
      style: 'per_branch' (the paper) or 'shared' (the released code); see
        `StretchOutDecoder`.
      norm: kind of `Norm`; 'shared' has none.
      norm_axis: see `Norm`.
      dtype: dtype of the computation.
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
