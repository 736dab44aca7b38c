"""Winograd's convolutions against the sum that defines them, in float64."""

import functools

import jax
import numpy as np
import pytest

from samr_jax.models.convolution import winograd


def convolution(x, kernel):
    taps = kernel.shape[0]
    height, width = (length - taps + 1 for length in x.shape[1:3])
    return sum(
        x[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(taps)
        for j in range(taps)
    )


@pytest.mark.parametrize("size, taps", [(4, 2), (4, 3), (6, 2), (6, 3), (6, 4)])
def test_transforms_are_exact(size, taps):
    of_input, of_kernel, of_output = winograd._transforms(size, taps)
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=size), rng.normal(size=taps)
    y = of_output @ ((of_kernel @ kernel) * (of_input @ x))
    np.testing.assert_allclose(y, np.correlate(x, kernel, "valid"), atol=1e-12)


@pytest.mark.parametrize("size, taps", [(4, 2), (4, 3), (6, 2), (6, 3), (6, 4)])
@pytest.mark.parametrize("extent", [(12, 12), (13, 18)])
def test_values_and_gradients_are_those_of_the_convolution(size, taps, extent):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *extent, 5)).astype(np.float32)
    kernel = rng.normal(size=(taps, taps, 5, 3)).astype(np.float32)
    expected = convolution(x.astype(np.float64), kernel.astype(np.float64))

    @jax.jit
    def value_and_gradients(x, kernel, g):
        convolve = functools.partial(winograd.convolve, size=size)
        value, pull = jax.vjp(convolve, x, kernel)
        return value, *pull(g)

    g = rng.normal(size=expected.shape)
    found, to_x, to_kernel = value_and_gradients(x, kernel, g.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    # The convolution is bilinear: for any step of one operand, <g, change of y> equals
    # <gradient, step>.
    for gradient, operand in ((to_x, x), (to_kernel, kernel)):
        step = rng.normal(size=operand.shape)
        moved = (step, kernel) if operand is x else (x, step)
        change = np.sum(g * convolution(*moved))
        scale = np.linalg.norm(gradient) * np.linalg.norm(step)
        assert np.sum(gradient * step) == pytest.approx(change, abs=1e-5 * scale)


@pytest.mark.parametrize("size, error", [(4, 1e-6), (6, 6e-6)])
def test_rounding_errors_of_many_channels(size, error):
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(1, 18, 18, 512)), 0).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 512, 16)).astype(np.float32)
    expected = convolution(x.astype(np.float64), kernel.astype(np.float64))
    found = winograd.convolve(x, kernel, size=size)
    assert np.abs(found - expected).max() < error * np.abs(expected).max()
