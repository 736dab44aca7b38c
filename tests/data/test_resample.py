"""Resampling against values computed in other ways."""

import numpy as np
import pytest

from samr_jax.data.resample import resample, resample_inside, resample_labels
from samr_jax.data.subject import Grid
from samr_jax.prepare.grids import Target, crop_slices, grid_over, slices_with_brain
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

# Columns to the left, rows to the back, slices up: the order of BraTS files.
NATIVE = np.array([[-1.0, 0, 0, 5], [0, -1, 0, 20], [0, 0, 1, -3], [0, 0, 0, 1]])
SHAPE = (12, 14, 20)


def _noise(shape=SHAPE):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _grid(size=16, slice_spacing=1.0, spacing=None):
    return grid_over(SHAPE, NATIVE, Target(size, spacing, slice_spacing))


def test_padding_to_a_larger_size_keeps_every_value():
    on_grid = resample(_noise(), NATIVE, _grid())
    assert on_grid.shape == (20, 16, 16)
    np.testing.assert_allclose(on_grid[:, 1:15, 2:14], _noise().T, atol=1e-6)
    assert np.count_nonzero(on_grid) == np.prod(SHAPE)


def test_odd_difference_in_size_does_not_interpolate():
    on_grid = resample(_noise((11, 13, 20)), NATIVE, _odd_grid())
    assert set(np.round(on_grid[on_grid != 0], 5)) == set(
        np.round(_noise((11, 13, 20)).ravel(), 5)
    )


def _odd_grid():
    return grid_over((11, 13, 20), NATIVE, Target(16, None, 1.0))


def test_thick_slices_are_means_of_their_thickness():
    on_grid = resample(_noise(), NATIVE, _grid(slice_spacing=4.0))
    blocks = _noise().reshape(12, 14, 5, 4).mean(axis=-1)
    np.testing.assert_allclose(on_grid[:, 1:15, 2:14], blocks.T, atol=1e-5)


def test_axis_order_of_the_file_does_not_matter():
    data = _noise()
    turned = np.transpose(data[::-1], (2, 0, 1))
    affine = NATIVE @ _indices_of(np.eye(3)[:, [2, 0, 1]], flipped=SHAPE[0])
    np.testing.assert_allclose(
        resample(turned, affine, _grid(slice_spacing=2.0)),
        resample(data, NATIVE, _grid(slice_spacing=2.0)),
        atol=1e-5,
    )


def _indices_of(permutation, flipped):
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([-1, 1, 1]) @ permutation
    matrix[0, 3] = flipped - 1
    return matrix


def test_transform_moves_the_content():
    shift = np.eye(4)
    shift[2, 3] = 2.0  # the grid's point z is the volume's z + 2
    moved = resample(_noise(), NATIVE, _grid(), transform=shift)
    np.testing.assert_allclose(
        moved[:-2], resample(_noise(), NATIVE, _grid())[2:], atol=1e-5
    )


def test_linear_field_survives_a_rotation():
    angle = 0.3
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    index = np.stack(np.indices(SHAPE), axis=-1)
    world = index @ NATIVE[:3, :3].T + NATIVE[:3, 3]
    field = (world @ [1.0, 2.0, 3.0] + 500).astype(np.float32)
    small = Grid.centred((4, 4), 4, spacing=(1, 1, 1), centre=(-0.5, 13.5, 6.5))
    centre = np.array([-0.5, 13.5, 6.5])
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    on_grid = resample(field, NATIVE, small, transform=turn)
    points = np.stack(np.indices((4, 4, 4)), axis=-1) @ small.affine[:3, :3].T
    points = (points + small.affine[:3, 3]) @ turn[:3, :3].T + turn[:3, 3]
    expected = points @ [1.0, 2.0, 3.0] + 500
    np.testing.assert_allclose(on_grid.T, expected, atol=1e-3)


def test_brain_edge_is_not_darkened():
    brain = np.zeros(SHAPE, bool)
    brain[3:9, 3:11, 3:17] = True
    grid = _grid(slice_spacing=4.4)
    share = resample(brain, NATIVE, grid)
    image = resample_inside(np.full(SHAPE, 7.0), brain, share, NATIVE, grid)
    assert set(np.round(np.unique(image), 4)) == {0.0, 7.0}
    np.testing.assert_array_equal(image > 0, share >= 0.5)


def test_labels_keep_their_values_and_their_majority():
    labels = np.random.default_rng(1).integers(0, 5, SHAPE).astype(np.uint8)
    on_grid = resample_labels(labels, NATIVE, _grid(slice_spacing=4.0))
    counts = np.stack([(labels == c).reshape(12, 14, 5, 4).sum(-1) for c in range(5)])
    inside = on_grid[:, 1:15, 2:14].T
    taken = np.take_along_axis(counts, inside[None], axis=0)[0]
    np.testing.assert_array_equal(taken, counts.max(axis=0))


def test_signed_values_stay_signed():
    data = -np.abs(_noise())
    assert (resample(data, NATIVE, _grid(slice_spacing=4.4)) <= 0).all()


def test_empty_map_gives_an_empty_map():
    assert not resample(np.zeros(SHAPE), NATIVE, _grid()).any()


def test_smaller_size_spreads_the_whole_field_of_view():
    grid = _grid(size=7)
    assert grid.spacing == pytest.approx((2.0, 2.0, 1.0))


def test_slices_with_brain():
    profiles = [np.array([0, 1, 50, 100, 60, 2, 0]), np.array([0, 40, 80, 90, 0, 0, 0])]
    assert slices_with_brain(profiles, None) == (2, 4)
    assert slices_with_brain(profiles, 3) == (2, 5)
    with pytest.raises(InputError, match="slices 8, expected 1 to 7"):
        slices_with_brain(profiles, 8)
    with pytest.raises(InputError, match="no slice holds brain in most subjects"):
        slices_with_brain([np.array([9, 0]), np.array([0, 9])], None)


@pytest.mark.parametrize("field", ["size", "spacing", "slice_spacing", "slices"])
def test_impossible_slices_are_refused(field):
    with pytest.raises(InputError, match=f"{field} 0, expected a positive number"):
        Target(**{field: 0})


def test_cropped_grid_keeps_its_place():
    grid = _grid(slice_spacing=4.0)
    on_grid = resample(_noise(), NATIVE, grid)
    cropped = resample(_noise(), NATIVE, crop_slices(grid, 1, 4))
    np.testing.assert_allclose(cropped, on_grid[1:4], atol=1e-5)
