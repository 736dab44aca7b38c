"""Interpolation along axes, against scipy's interpolation at single points."""

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.data.separable import sample_along_axes


def _at_points(data, scale, offset, shape, steps):
    """The mean of scipy's samples in each voxel; 0 outside the volume."""
    total = np.zeros(shape)
    for shift in np.ndindex(*steps):
        within = (np.array(shift) + 0.5) / steps - 0.5
        index = np.moveaxis(np.indices(shape), 0, -1) + within
        places = np.moveaxis(scale * index + offset, -1, 0)
        total += ndimage.map_coordinates(data, places, order=1, mode="constant")
    return total / np.prod(steps)


@pytest.mark.parametrize("seed", range(20))
def test_samples_are_those_of_scipy(seed):
    """Random volumes, some flat along an axis, and grids that may lie beside them."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=rng.integers(1, 12, 3)).astype(np.float32)
    scale = rng.choice([-1, 1], 3) * rng.uniform(0.3, 4, 3)
    offset = rng.uniform(-4, 12, 3)
    shape, steps = rng.integers(1, 9, 3), rng.integers(1, 5, 3)
    found = sample_along_axes(data, scale, offset, shape, steps)
    expected = _at_points(data, scale, offset, shape, steps)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_rounding_does_not_put_the_first_voxel_outside():
    data = np.ones((3, 3, 3), np.float32)
    found = sample_along_axes(
        data, np.ones(3), np.full(3, -1e-9), np.array([3, 3, 3]), np.ones(3, int)
    )
    np.testing.assert_allclose(found, 1)
