"""Batches on the device, decoded from the integers in which they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from samr_jax.data.window import STORED_SCALE
from samr_jax.labels import LABELS


class Batch(flax.struct.PyTreeNode):
    """A batch in float32; fields that were not loaded are None.

    Attributes:
      mask: one-hot label map ``(N, H, W, 5)``.
      images: ``(N, H, W, S)`` in [-1, 1].
      atlas: ``(N, H, W, 3 S)`` in [-1, 1].
      tissue: WM, GM, CSF probabilities ``(N, H, W, 3)`` in [0, 1].
      noise: Gaussian noise ``(N, H, W, C)`` for a generator that sees noise.
    """

    mask: Any = None
    images: Any = None
    atlas: Any = None
    tissue: Any = None
    noise: Any = None


def decode(stored: Mapping[str, Any]) -> Batch:
    """Stored integers to floats.

    It runs inside the jitted step, so that the host sends small integers.
    """

    def scaled(name: str, scale: float) -> jax.Array | None:
        if name not in stored:
            return None
        values = stored[name]
        if jnp.issubdtype(values.dtype, jnp.floating):
            return values
        return values.astype(jnp.float32) / scale

    mask = None
    if "labels" in stored:
        mask = jax.nn.one_hot(stored["labels"], len(LABELS), dtype=jnp.float32)
    return Batch(
        mask=mask,
        images=scaled("images", STORED_SCALE),
        atlas=scaled("atlas", STORED_SCALE),
        tissue=scaled("tissue", 255.0),
        noise=stored.get("noise"),
    )
