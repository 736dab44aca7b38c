"""Layers against XLA's own convolutions and against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from samr_jax.models.convolution import cpu as convolution_cpu
from samr_jax.models.convolution.as_pytorch import conv2d, reflect_pad, up_conv2d
from samr_jax.models.layers import (
    Conv,
    Norm,
    UpConv,
    average_pool_3s2,
    max_half,
)
from samr_jax.models.unet import UNet

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def normal(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def assert_same_map(ours, reference, x, kernel):
    """Same outputs, and same gradients by the input and by the kernel."""
    cotangent = normal(*jax.eval_shape(reference, x, kernel).shape, seed=1)

    def value_and_gradients(function):
        def run(x, kernel, cotangent):
            value, pull = jax.vjp(function, x, kernel)
            return value, *pull(cotangent)

        return jax.jit(run)(x, kernel, cotangent)

    for made, wanted in zip(
        value_and_gradients(ours), value_and_gradients(reference), strict=True
    ):
        assert made.shape == wanted.shape
        assert jnp.abs(made - wanted).max() <= 1e-5 * jnp.abs(wanted).max()


@pytest.fixture(params=["small", "blocks", "kernels", "winograd"])
def work(request, monkeypatch):
    """The CPU forms: XLA's, those of large convolutions, those of many channels (of
    the kernel's gradient alone, of all)."""
    if request.param != "small":
        monkeypatch.setattr(convolution_cpu, "SMALL_WORK", 0)
        monkeypatch.setattr(convolution_cpu, "PIXELS_PER_BLOCK", 100)
    if request.param in ("kernels", "winograd"):
        channels = {"kernels": 8, "winograd": 4}[request.param]
        monkeypatch.setattr(convolution_cpu, "WINOGRAD_CHANNELS", channels)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding"),
    [
        (16, 1, 1, 0),
        (16, 3, 1, 1),
        (18, 3, 1, 0),
        (16, 3, 2, 1),
        (17, 3, 2, 1),
        (22, 7, 1, 0),
        (16, 7, 1, 3),
        (16, 4, 2, 1),
        (16, 4, 2, 2),
        (17, 4, 2, 2),
        (15, 4, 2, 0),
        (9, 4, 1, 2),
        (9, 4, 1, 1),
    ],
)
@pytest.mark.parametrize("features", [1, 6])
def test_conv2d_is_the_padded_convolution(size, kernel, strides, padding, features):
    def reference(x, weights):
        pads = [(padding, padding)] * 2
        return lax.conv_general_dilated(
            x, weights, (strides, strides), pads, dimension_numbers=DIMENSIONS
        )

    def ours(x, weights):
        return conv2d(x, weights, strides=strides, padding=padding)

    x, weights = normal(2, size, size + 3, 5), normal(kernel, kernel, 5, features)
    assert_same_map(ours, reference, x, weights)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(("kernel", "pads"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2))])
@pytest.mark.parametrize("size", [(8, 6), (2, 3)])
def test_up_conv2d_is_the_transposed_convolution(kernel, pads, size):
    def reference(x, weights):
        return lax.conv_general_dilated(
            x,
            weights[::-1, ::-1],
            (1, 1),
            [pads] * 2,
            lhs_dilation=(2, 2),
            dimension_numbers=DIMENSIONS,
        )

    x, weights = normal(2, *size, 5), normal(kernel, kernel, 5, 3)
    assert_same_map(up_conv2d, reference, x, weights)


@pytest.mark.usefixtures("work")
def test_convolutions_work_in_bfloat16():
    x, weights = normal(2, 16, 16, 4), normal(3, 3, 4, 4)
    low = [value.astype(jnp.bfloat16) for value in (x, weights)]

    def layers(x, weights):
        return up_conv2d(conv2d(x, weights, padding=1), weights)

    made, expected = jax.jit(layers)(*low), jax.jit(layers)(x, weights)
    assert made.dtype == jnp.bfloat16
    assert jnp.abs(made - expected).max() < 0.02 * jnp.abs(expected).max()
    gradients = jax.jit(jax.grad(lambda *a: layers(*a).sum(), (0, 1)))(*low)
    assert [gradient.dtype for gradient in gradients] == [jnp.bfloat16] * 2


def test_parameters_stay_float32_when_layers_compute_in_bfloat16():
    x = jnp.zeros((1, 4, 4, 3))
    for layer in (Conv(2, 3, dtype=jnp.bfloat16), UpConv(2, dtype=jnp.bfloat16)):
        y, variables = jax.eval_shape(
            lambda layer=layer: layer.init_with_output(jax.random.key(0), x)
        )
        assert y.dtype == jnp.bfloat16
        assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("pad", [0, 1, 3])
def test_reflect_pad_is_numpys(pad):
    x = normal(2, 5, 7, 3)
    edges = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    np.testing.assert_array_equal(reflect_pad(x, pad), np.pad(x, edges, "reflect"))


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


def test_groups_of_a_batch_are_normalised_as_in_calls_one_after_the_other():
    net, x = UNet(features=2, depth=1), normal(4, 8, 8, 3)
    variables = net.init(jax.random.key(0), x, train=True)

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
