"""Features of images: the innermost layer of a U-Net that segments them."""

from __future__ import annotations

import re
from collections.abc import Callable

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from samr_jax.methods.batch import decode
from samr_jax.runs.batched import run_all
from samr_jax.runs.model import Model

_INWARD = re.compile(r"down_(\d+)_second")
"""Layers of `samr_jax.models.unet.UNet` on the way in, by their size."""


def innermost_features(
    model: Model, *, batch_size: int
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Images ``(N, H, W, S)`` in [-1, 1] to features ``(N, D)`` of a segmenter.

    Args:
      model: one that segments.
      batch_size: instances of the one compiled batch.

    Returns:
      The function, which averages the innermost layer over the slice; None if the
      model's networks have no such layer.
    """
    if not any(_INWARD.search("/".join(p)) for p in flatten_dict(_params(model))):
        return None

    @jax.jit
    def run(variables, stored):
        _, captured = model.method.gen.apply(
            variables,
            decode(stored),
            method="segment",
            rngs={"dropout": jax.random.key(0)},
            capture_intermediates=_is_inward,
            mutable=["intermediates"],
        )
        layers = {
            int(_INWARD.search("/".join(path))[1]): outputs[0]  # type: ignore[index]
            for path, outputs in flatten_dict(captured["intermediates"]).items()
        }
        return layers[max(layers)].mean(axis=(1, 2))

    def features(images: np.ndarray) -> np.ndarray:
        found = run_all(
            lambda batch: jax.device_get(run(model.variables, batch)),
            {"images": images},
            batch_size=batch_size,
        )
        return np.asarray(found, np.float64)

    return features


def _params(model: Model) -> dict:
    return model.variables.get("params", {})


def _is_inward(module: nn.Module, method: str) -> bool:
    name = module.name or ""
    return method == "__call__" and _INWARD.fullmatch(name) is not None
