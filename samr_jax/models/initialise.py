"""Draws the initial values of a whole network at once.

``Module.init`` compiles a random generator for every layer: a minute for CG-SAMR on two
cores. Here all normal numbers come from one call, and each array gets its share of
them. Our layers declare the distributions (`Layer.initial`); arrays of other modules,
such as Flax's own layers, start as the paper says for their name.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from samr_jax.models.layers.initial import PAPER, Gaussian, Layer


def draw_variables(module: nn.Module, key: jax.Array, *args: Any, **kwargs: Any) -> Any:
    """The variables of `draw_with_outputs`, without the outputs."""
    return draw_with_outputs(module, key, *args, **kwargs)[0]


def draw_with_outputs(
    module: nn.Module, key: jax.Array, *args: Any, **kwargs: Any
) -> tuple[Any, Any]:
    """Draws variables as numpy arrays, in the tree of ``module.init(key, ...)``.

    Args:
      module: the network.
      key: random key.
      *args: arguments of the network, of which only the shapes matter.
      **kwargs: keyword arguments of the network.

    Returns:
      The variables, and the shapes of the network's outputs.

    Raises:
      ValueError: a parameter of another module than a `Layer` has an unknown name.
    """
    outputs, shapes, modules = _shapes_and_modules(module, key, *args, **kwargs)
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    initials = [_initial(modules, path, leaf.shape) for path, leaf in leaves]
    sizes = [
        math.prod(leaf.shape) if initial.stddev else 0
        for initial, (_, leaf) in zip(initials, leaves, strict=True)
    ]
    # On the host: slicing on the device would compile once for every offset.
    noise = np.asarray(_gaussian(key, sum(sizes)))
    starts = np.cumsum([0, *sizes])
    values = [
        initial.of_noise(noise[start : start + size].reshape(leaf.shape))
        if initial.stddev
        else np.full(leaf.shape, initial.mean, leaf.dtype)
        for initial, start, size, (_, leaf) in zip(
            initials, starts, sizes, leaves, strict=False
        )
    ]
    return jax.tree.unflatten(structure, values), outputs


def _shapes_and_modules(
    module: nn.Module, key: jax.Array, *args: Any, **kwargs: Any
) -> tuple[Any, Any, dict[tuple[str, ...], nn.Module]]:
    """The shapes of outputs and variables, and every module by its path.

    Nothing is computed.
    """
    rngs = {"params": key, "dropout": key}
    modules = {}

    def note(call, args, kwargs, context):
        layer = context.module
        modules[layer.path] = layer
        if isinstance(layer, Layer) and context.method_name == "start":
            # With a value there, Flax does not trace how one would be drawn.
            name, shape = args
            if not layer.has_variable("params", name):
                layer.put_variable("params", name, jnp.zeros(shape))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        outputs, shapes = jax.eval_shape(
            lambda *args: module.init_with_output(rngs, *args, **kwargs), *args
        )
    return outputs, shapes, modules


def _initial(
    modules: dict[tuple[str, ...], nn.Module], path: tuple, shape: tuple[int, ...]
) -> Gaussian:
    """The distribution that a leaf starts with."""
    _collection, *owner, name = (part.key for part in path)
    layer = modules[tuple(owner)]
    if isinstance(layer, Layer):
        return layer.initial(name, shape)
    if name not in PAPER:
        where = "/".join((*owner, name))
        raise ValueError(
            f"parameter {where} belongs to the module {type(layer).__name__}, expected "
            f"a Layer, which says how its parameters start, or one of {sorted(PAPER)}"
        )
    return PAPER[name]


@functools.partial(jax.jit, static_argnums=1)
def _gaussian(key: jax.Array, size: int) -> jax.Array:
    return jax.random.normal(key, (size,))
