"""Values of axial planes at the voxels of a mask, against SciPy's interpolation."""

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.data.planes import Planes
from samr_jax.data.subject import Grid

pytestmark = pytest.mark.quick

GRID = Grid.centred((20, 24), 7, spacing=(2.0, 2.0, 4.4))
SHAPE = (15, 18, 12)


def tilted(degrees):
    """Affine of a mask whose axes are turned about x and z."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([2.3, 1.7, 2.9])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return affine


def by_scipy(planes, affine, values):
    """Values at the mask's voxels; NaN outside the planes."""
    voxels = np.indices(SHAPE).reshape(3, -1)
    world = affine @ np.vstack([voxels, np.ones(voxels.shape[1])])
    column, row, level = (np.linalg.inv(GRID.affine) @ world)[:3]
    step = planes.heights[1] - planes.heights[0]
    places = np.round([(level - planes.heights[0]) / step, row, column], 4)
    found = [
        ndimage.map_coordinates(values[..., i], places, order=1, cval=np.nan)
        for i in range(values.shape[-1])
    ]
    return np.stack(found, -1).reshape(*SHAPE, -1)


@pytest.mark.parametrize("degrees", [0, 20])
def test_the_values_are_those_of_scipy(degrees):
    affine = tilted(degrees)
    planes = Planes.through(affine, SHAPE, GRID)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(planes.heights), *GRID.size, 3)).astype(np.float32)
    expected = by_scipy(planes, affine, values)
    outside = np.isnan(expected[..., 0])
    assert 0.1 < outside.mean() < 0.9
    np.testing.assert_array_equal(planes.covered, ~outside)
    layers = []
    found = planes.to_mask(values, lambda: layers.append(1))
    np.testing.assert_allclose(found, np.nan_to_num(expected), atol=1e-6)
    assert found.dtype == np.float32 and len(layers) == SHAPE[0]
    some = rng.random(SHAPE) < 0.5
    there = planes.to_mask(values, where=some)
    np.testing.assert_array_equal(there, np.where(some[..., None], found, 0))
