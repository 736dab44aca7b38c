"""Layers: dtypes, and norms and pooling against numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from samr_jax.models.initialise import draw_variables
from samr_jax.models.layers import (
    Conv,
    Norm,
    UpConv,
    average_pool_3s2,
    max_half,
)
from samr_jax.models.unet import UNet


def normal(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def test_parameters_stay_float32_when_layers_compute_in_bfloat16():
    x = jnp.zeros((1, 4, 4, 3))
    for layer in (Conv(2, 3, dtype=jnp.bfloat16), UpConv(2, dtype=jnp.bfloat16)):
        y, variables = jax.eval_shape(
            lambda layer=layer: layer.init_with_output(jax.random.key(0), x)
        )
        assert y.dtype == jnp.bfloat16
        assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("kernel, padding", [(1, 0), (3, 1), (7, 3)])
def test_reflect_padding_is_numpys(kernel, padding):
    x, layer = normal(2, 5, 7, 3), Conv(4, kernel, pad_mode="reflect")
    variables = layer.init(jax.random.key(0), x)
    edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(x, edges, "reflect")
    expected = Conv(4, kernel, padding=0).apply(variables, padded)
    np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-6)


def test_batch_norm_normalises_and_accumulates_as_pytorch_does():
    x, norm = 3 + 2 * normal(4, 6, 6, 3), Norm()
    variables = norm.init(jax.random.key(0), x, train=True)
    assert not variables["batch_stats"]["mean"].any()
    y, updated = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    values, scale = np.asarray(x, np.float64), variables["params"]["scale"]
    expected = (values - values.mean((0, 1, 2))) / np.sqrt(values.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(y, expected * scale, atol=2e-5)
    stats = updated["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.1 * values.mean((0, 1, 2)), rtol=1e-5)
    unbiased = values.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)


def train_on(norm, x, *, devices):
    """The result and the statistics of a norm that starts with a scale of 1.

    Args:
      norm: a `Norm`, synchronised if `devices` is above 1.
      x: ``(N, H, W, C)``.
      devices: number of devices that share the batch.
    """
    variables = norm.init(jax.random.key(0), x, train=True)
    if norm.kind == "batch":
        variables["params"]["scale"] = jnp.ones(x.shape[-1])

    def train(x):
        return norm.apply(variables, x, train=True, mutable=["batch_stats"])

    shards = x.reshape(devices, -1, *x.shape[1:])
    y, updated = jax.vmap(train, axis_name="devices")(shards)
    return y.reshape(x.shape), jax.tree.map(lambda leaf: leaf[0], updated)


NORMS = [
    pytest.param(Norm("instance"), 1, (1, 2), id="instance"),
    pytest.param(Norm("batch"), 1, (0, 1, 2), id="batch"),
    pytest.param(Norm("batch", "devices"), 2, (0, 1, 2), id="synchronised"),
]
"""A norm, how many devices share its batch, and the axes that it averages over."""


@pytest.mark.parametrize("norm, devices, axes", NORMS)
def test_norms_are_right_where_the_mean_is_far_above_the_deviation(norm, devices, axes):
    x = 100 + 0.1 * normal(4, 16, 16, 3)
    y, updated = train_on(norm, x, devices=devices)
    values = np.asarray(x, np.float64)
    mean, variance = (f(values, axis=axes, keepdims=True) for f in (np.mean, np.var))
    np.testing.assert_allclose(y, (values - mean) / np.sqrt(variance + 1e-5), atol=2e-3)
    if norm.kind == "batch":
        learned = (updated["batch_stats"]["var"] - 0.9) / 0.1
        np.testing.assert_allclose(learned, values.var(axes, ddof=1), atol=1e-5)


@pytest.mark.parametrize("norm, devices, axes", NORMS)
def test_the_gradient_of_a_norm_is_its_derivative(norm, devices, axes):
    x, weights = 3 + 2 * normal(4, 4, 4, 3), normal(4, 4, 4, 3, seed=1)
    made = jax.grad(lambda x: (train_on(norm, x, devices=devices)[0] * weights).sum())(
        x
    )
    values, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)

    def mean(values):
        return values.mean(axes, keepdims=True)

    deviation = np.sqrt(values.var(axes, keepdims=True) + 1e-5)
    normal_form = (values - mean(values)) / deviation
    along = mean(weights) + normal_form * mean(weights * normal_form)
    np.testing.assert_allclose(made, (weights - along) / deviation, atol=1e-5)


def test_groups_of_a_batch_are_normalised_as_in_calls_one_after_the_other():
    net, x = UNet(features=2, depth=1), normal(4, 8, 8, 3)
    variables = draw_variables(net, jax.random.key(0), x, train=True)

    @functools.partial(jax.jit, static_argnames="groups")
    def train(x, stats, groups=1):
        given = {"params": variables["params"], "batch_stats": stats}
        y, new = net.apply(given, x, train=True, groups=groups, mutable=["batch_stats"])
        return y, new["batch_stats"]

    first, stats = train(x[:2], variables["batch_stats"])
    second, stats = train(x[2:], stats)
    both, at_once = train(x, variables["batch_stats"], groups=2)
    np.testing.assert_allclose(both, jnp.concatenate([first, second]), atol=1e-5)
    for made, expected in zip(
        jax.tree.leaves(at_once), jax.tree.leaves(stats), strict=True
    ):
        np.testing.assert_allclose(made, expected, atol=1e-6)


def test_synchronised_batch_norm_is_that_of_the_whole_batch():
    x, alone, synchronised = normal(8, 4, 4, 3), Norm(), Norm(norm_axis="devices")
    variables = alone.init(jax.random.key(0), x, train=True)

    def train(norm, x):
        return norm.apply(variables, x, train=True, mutable=["batch_stats"])

    y, stats = train(alone, x)
    shards, shard_stats = jax.vmap(
        lambda shard: train(synchronised, shard), axis_name="devices"
    )(x.reshape(4, 2, 4, 4, 3))
    np.testing.assert_allclose(shards.reshape(y.shape), y, atol=1e-5)
    for made, expected in zip(
        jax.tree.leaves(shard_stats), jax.tree.leaves(stats), strict=True
    ):
        np.testing.assert_allclose(made, [expected] * 4, rtol=1e-5, atol=1e-6)


def test_instance_norm_has_no_parameters_and_ignores_the_other_instances():
    x, norm = 3 + 2 * normal(2, 8, 8, 3), Norm("instance")
    y, variables = norm.init_with_output(jax.random.key(0), x, train=True)
    assert not variables
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((1, 2)), 1, atol=1e-4)


def test_pools_are_numpys():
    x = normal(2, 6, 8, 3)
    windows = np.asarray(x).reshape(2, 3, 2, 4, 2, 3)
    np.testing.assert_array_equal(max_half(x), windows.max((2, 4)))


@pytest.mark.parametrize("shape", [(6, 8), (7, 5)])
def test_average_pool_divides_by_the_pixels_inside(shape):
    x = normal(2, *shape, 3)
    padded = np.pad(
        np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan
    )
    expected = [
        [
            np.nanmean(padded[:, i : i + 3, j : j + 3], (1, 2))
            for j in range(0, shape[1], 2)
        ]
        for i in range(0, shape[0], 2)
    ]
    expected = np.array(expected).transpose(2, 0, 1, 3)
    np.testing.assert_allclose(average_pool_3s2(x), expected, atol=1e-6)
