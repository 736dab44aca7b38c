"""Initial values of a whole network in one draw.

``Module.init`` compiles a random generator for every layer: a minute for CG-SAMR on two
cores. Here all Gaussians come from one call and are cut up by the parameters' names.
The rule is that of the layers: kernels N(0, 0.02) or as `Kernel.stddev` has it, norm
scales N(1, 0.02), biases and running means 0, running variances 1.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from samr_jax.models.layers import STDDEV, Kernel

_MEAN = {"kernel": 0.0, "scale": 1.0}
_CONSTANT = {"bias": 0.0, "mean": 0.0, "var": 1.0}


def draw_variables(module: nn.Module, key: jax.Array, *args: Any, **kwargs: Any) -> Any:
    """Same tree as ``module.init(key, *args, **kwargs)``, drawn at once, as numpy.

    Raises:
      ValueError: a leaf has a name that the rule above does not know.
    """
    rngs = {"params": key, "dropout": key}
    layers = {}

    def note(call, args, kwargs, context):
        layers[context.module.path] = context.module
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes = jax.eval_shape(lambda *args: module.init(rngs, *args, **kwargs), *args)
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [path[-1].key for path, _ in leaves]
    unknown = set(names) - _MEAN.keys() - _CONSTANT.keys()
    if unknown:
        raise ValueError(f"no initial value known for {sorted(unknown)}")
    sizes = [
        math.prod(leaf.shape) if name in _MEAN else 0
        for name, (_, leaf) in zip(names, leaves, strict=True)
    ]
    # On the host: slicing on the device would compile once for every offset.
    noise = np.asarray(_gaussian(key, sum(sizes)))
    starts = np.cumsum([0, *sizes])
    values = [
        _MEAN[name]
        + _stddev(layers, path, leaf) * noise[start : start + size].reshape(leaf.shape)
        if name in _MEAN
        else np.full(leaf.shape, _CONSTANT[name], leaf.dtype)
        for name, start, size, (path, leaf) in zip(
            names, starts, sizes, leaves, strict=False
        )
    ]
    return jax.tree.unflatten(structure, values)


def _stddev(layers: dict, path: tuple, leaf: jax.ShapeDtypeStruct) -> float:
    layer = layers[tuple(part.key for part in path[1:-1])]
    return layer.stddev(leaf.shape) if isinstance(layer, Kernel) else STDDEV


@functools.partial(jax.jit, static_argnums=1)
def _gaussian(key: jax.Array, size: int) -> jax.Array:
    return jax.random.normal(key, (size,))
