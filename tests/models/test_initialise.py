"""Initial values have the tree of Flax's init and the paper's distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from samr_jax.models.discriminators import MultiScaleDiscriminator
from samr_jax.models.initialise import draw_variables
from samr_jax.models.layers import Conv
from samr_jax.models.layers.initial import Gaussian
from samr_jax.models.unet import UNet


def test_same_tree_as_init():
    network, x = UNet(features=2, depth=1), jnp.zeros((1, 4, 4, 2))
    key = jax.random.key(0)
    drawn = draw_variables(network, key, x, train=True)
    expected = jax.eval_shape(lambda: network.init(key, x, train=True))
    assert jax.tree.structure(drawn) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(drawn), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype


def test_distribution():
    network, x = MultiScaleDiscriminator(ndf=32), jnp.zeros((1, 64, 64, 5))
    drawn = draw_variables(network, jax.random.key(1), x, train=True)
    leaves = jax.tree_util.tree_flatten_with_path(drawn)[0]
    by_name = {}
    for path, leaf in leaves:
        by_name.setdefault(path[-1].key, []).append(leaf.ravel())
    values = {name: np.concatenate(parts) for name, parts in by_name.items()}
    assert values["kernel"].std() == pytest.approx(0.02, rel=0.02)
    assert values["kernel"].mean() == pytest.approx(0, abs=1e-3)
    assert values["scale"].mean() == pytest.approx(1, abs=5e-3)
    assert values["scale"].std() == pytest.approx(0.02, rel=0.2)
    for name, value in (("bias", 0), ("mean", 0), ("var", 1)):
        assert np.all(values[name] == value)


def test_kernels_of_the_u_net_keep_the_variance_of_their_inputs():
    network, x = UNet(features=32, depth=2), jnp.zeros((1, 8, 8, 5))
    drawn = draw_variables(network, jax.random.key(1), x, train=True)["params"]
    # An output of the 2 x 2 up-convolutions sums one tap, as one of 1 x 1 does.
    inputs = {"up_0": 64, "up_1": 128, "logits": 32}
    for name, count in inputs.items():
        kernel = drawn[name]["kernel"]
        assert kernel.std() == pytest.approx((2 / count) ** 0.5, rel=0.1)
    inner = drawn["merge_1_first"]["conv"]["kernel"]
    assert inner.std() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    ours, flax = (
        jax.tree.map(jnp.std, tree)
        for tree in (drawn, network.init(jax.random.key(2), x, train=True)["params"])
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(flax), strict=True):
        assert a == pytest.approx(float(b), rel=0.3, abs=0.01)


def test_the_key_decides_every_value():
    network, x = UNet(features=2, depth=1), jnp.zeros((1, 4, 4, 2))
    first, again, other = (
        jax.tree.leaves(draw_variables(network, jax.random.key(seed), x, train=True))
        for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_layer_may_change_how_its_kernel_starts():
    class Wide(Conv):
        def initial(self, name, shape):
            if name == "kernel":
                return Gaussian(3.0, 0.5)
            return super().initial(name, shape)

    drawn = draw_variables(Wide(64, 3), jax.random.key(0), jnp.zeros((1, 4, 4, 16)))
    init = Wide(64, 3).init(jax.random.key(1), jnp.zeros((1, 4, 4, 16)))
    for kernel in (drawn["params"]["kernel"], init["params"]["kernel"]):
        assert kernel.mean() == pytest.approx(3, rel=0.01)
        assert kernel.std() == pytest.approx(0.5, rel=0.02)


def test_unknown_parameters_outside_our_layers_are_refused():
    class Odd(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x * self.param("gain", nn.initializers.ones, ())

    with pytest.raises(ValueError, match="parameter gain belongs to the module Odd"):
        draw_variables(Odd(), jax.random.key(0), jnp.zeros(1))


def test_parameters_are_not_drawn_one_by_one(monkeypatch):
    def refuse(*_):
        raise AssertionError("a parameter is drawn by itself")

    monkeypatch.setattr(Gaussian, "__call__", refuse)
    network, x = UNet(features=2, depth=1), jnp.zeros((1, 4, 4, 2))
    with pytest.raises(AssertionError, match="by itself"):
        network.init(jax.random.key(0), x, train=True)
    drawn = draw_variables(network, jax.random.key(0), x, train=True)
    assert drawn["params"]["logits"]["kernel"].std() > 0
