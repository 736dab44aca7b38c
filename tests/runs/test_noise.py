"""Noise of neighbouring slices, against what its docstring promises."""

import numpy as np
import pytest

from samr_jax.runs.noise import noise_of_slices

pytestmark = pytest.mark.quick


def test_values_are_standard_normal_and_similar_in_neighbouring_slices():
    noise = noise_of_slices(0, 40, (32, 24), 2)
    assert noise.shape == (40, 32, 24, 2) and noise.dtype == np.float32
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02

    def correlation(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    for distance, expected in ((1, np.sqrt(0.5)), (2, 0.25), (3, 0.0)):
        found = correlation(noise[distance:], noise[:-distance])
        assert found == pytest.approx(expected, abs=0.02)
    assert abs(correlation(noise[:, 1:], noise[:, :-1])) < 0.02
    assert abs(correlation(noise[..., 0], noise[..., 1])) < 0.02


def test_the_seed_decides():
    first, same, other = (noise_of_slices(s, 2, (4, 4), 1) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, same)
    assert not np.isclose(first, other).any()
    np.testing.assert_array_equal(noise_of_slices(3, 5, (4, 4), 1)[:2], first)


def test_some_slices_of_a_volume_have_the_noise_of_the_volume():
    volume = noise_of_slices(3, 6, (4, 5), 2)
    np.testing.assert_array_equal(noise_of_slices(3, 2, (4, 5), 2, first=4), volume[4:])
