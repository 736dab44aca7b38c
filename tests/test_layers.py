"""Layers against XLA's own convolutions and against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from samr_jax.models.convolution import conv2d, up_conv2d

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def normal(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def assert_same_map(ours, reference, x, kernel):
    """Same outputs, and same gradients by the input and by the kernel."""
    expected, pull_expected = jax.vjp(reference, x, kernel)
    made, pull = jax.vjp(ours, x, kernel)
    cotangent = normal(*expected.shape, seed=1)
    pairs = [
        (made, expected),
        *zip(pull(cotangent), pull_expected(cotangent), strict=True),
    ]
    for value, wanted in pairs:
        assert value.shape == wanted.shape
        assert jnp.abs(value - wanted).max() <= 5e-6 * jnp.abs(wanted).max()


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
        (96, 3, 1, 1),
        (97, 4, 2, 2),
    ],
)
def test_conv2d_is_the_padded_convolution(size, kernel, strides, padding):
    def reference(x, weights):
        pads = [(padding, padding)] * 2
        return lax.conv_general_dilated(
            x, weights, (strides, strides), pads, dimension_numbers=DIMENSIONS
        )

    x, weights = normal(2, size, size + 3, 5), normal(kernel, kernel, 5, 6)
    assert_same_map(
        lambda x, w: conv2d(x, w, strides=strides, padding=padding),
        reference,
        x,
        weights,
    )


@pytest.mark.parametrize(("kernel", "pads"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2))])
def test_up_conv2d_is_the_transposed_convolution(kernel, pads):
    def reference(x, weights):
        return lax.conv_general_dilated(
            x,
            weights[::-1, ::-1],
            (1, 1),
            [pads] * 2,
            lhs_dilation=(2, 2),
            dimension_numbers=DIMENSIONS,
        )

    assert_same_map(
        up_conv2d, reference, normal(2, 8, 6, 5), normal(kernel, kernel, 5, 3)
    )


def test_convolutions_work_in_bfloat16():
    x, weights = normal(2, 8, 8, 4), normal(3, 3, 4, 4)
    low = [value.astype(jnp.bfloat16) for value in (x, weights)]
    for layer in (lambda x, w: conv2d(x, w, padding=1), up_conv2d):
        gradients = jax.grad(lambda *a, f=layer: f(*a).sum(), (0, 1))(*low)
        assert [g.dtype for g in gradients] == [jnp.bfloat16] * 2
        np.testing.assert_allclose(layer(*low), layer(x, weights), atol=0.2)
