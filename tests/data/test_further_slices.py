"""The atlas of slices below and above a dataset's own."""

import dataclasses
import shutil

import numpy as np
import pytest

from samr_jax.data import phantom
from samr_jax.data.dataset import open_dataset
from samr_jax.data.embedded import embedded_dataset
from samr_jax.data.further_slices import (
    FOLDER,
    SLICES,
    atlas_for,
    cut,
    read_all_slices,
    widened,
    write_further_slices,
)
from samr_jax.data.nifti import Volume
from samr_jax.data.planes import Planes
from samr_jax.inference.outside_training import compare_volume
from samr_jax.inference.placement import mark_packaged_brain
from samr_jax.labels import BACKGROUND, LESION_LABELS, NORMAL, TUMOR
from samr_jax.pretrained.load import PACKAGE
from samr_jax.runs.model import DATASET_COPY
from samr_jax.runtime.errors import InputError

PACKAGED = open_dataset(PACKAGE / DATASET_COPY)


def _tumor_at(height: float) -> Volume:
    """A whole head of 2 mm with a tumor of 16 mm in the right hemisphere."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -120, -60
    codes = np.zeros((90, 110, 75), np.uint8)
    x, y, z = (np.array([20, -40, height]) - affine[:3, 3]) // 2
    codes[tuple(slice(int(at) - 4, int(at) + 4) for at in (x, y, z))] = TUMOR
    return Volume(codes, affine, "head.nii")


def test_the_packaged_atlas_keeps_the_slices_of_the_training():
    whole = read_all_slices(PACKAGED)
    own = slice(SLICES, SLICES + PACKAGED.grid.slices)
    np.testing.assert_array_equal(whole.volumes[own], PACKAGED.atlas)
    np.testing.assert_array_equal(whole.brain[own], PACKAGED.brain)
    np.testing.assert_array_equal(whole.tissue[own], PACKAGED.average_tissue)
    assert whole.grid.span == pytest.approx((-22, 66))
    assert np.abs(whole.volumes).max() <= 1


@pytest.mark.parametrize("border", [SLICES, SLICES + PACKAGED.grid.slices])
def test_the_atlas_goes_on_where_the_slices_of_the_training_end(border):
    """The step across the border is not larger than both of its neighbouring steps."""
    whole = read_all_slices(PACKAGED).volumes
    before, across, after = (
        np.abs(whole[at] - whole[at - 1]).mean()
        for at in (border - 1, border, border + 1)
    )
    assert across < 1.1 * max(before, after)


@pytest.mark.parametrize("height", [-16, 61])
def test_a_lesion_outside_the_slices_of_the_training_has_a_brain(height):
    """The training's slices alone hold little of this lesion."""
    mask = _tumor_at(height)
    marked = mark_packaged_brain(mask)
    assert np.count_nonzero(marked.data == TUMOR) == 8**3
    assert (marked.data == NORMAL).any()
    planes = Planes.through(
        mask.affine, mask.data.shape, atlas_for(mask, PACKAGED).grid
    )
    found = {
        each.property: each for each in compare_volume(marked.data, planes, PACKAGED)
    }
    assert found["slices_mm"].trained == pytest.approx((-8.8, 52.8))
    assert "(trained with -8.8 to 52.8)" in str(found["slices_mm"])


def test_a_lesion_outside_of_all_slices_is_refused_with_their_place():
    mask = dataclasses.replace(_tumor_at(65), affine=_tumor_at(65).affine.copy())
    mask.affine[2, 3] += 40
    with pytest.raises(InputError, match=r"z = -22.0 to 66.0 mm, and 100 % .* above"):
        mark_packaged_brain(mask)


def test_a_mask_within_the_slices_of_the_training_has_their_atlas():
    grid = PACKAGED.grid
    mask = Volume(np.zeros((*grid.size[::-1], grid.slices), np.uint8), grid.affine, "m")
    assert atlas_for(mask, PACKAGED).grid is grid


@pytest.mark.parametrize("first", [-2, 3])
def test_further_slices_show_the_same_subject(first):
    """A subject's labels do not depend on the slices that are rendered."""
    own = phantom.grid(32, 3)
    wide = cut(widened(own, 2), 0, 7)
    one = cut(own, first, 2)
    seen, all_seen = (
        phantom.simulate_subject(
            0, seed=1, grid=grid, sequences=["T1w"], lesion_grid=own
        )
        for grid in (one, wide)
    )
    np.testing.assert_array_equal(seen.labels, all_seen.labels[first + 2 : first + 4])
    assert (all_seen.labels[2:5] > NORMAL).any()
    assert (all_seen.labels != BACKGROUND).any()


def test_the_average_of_the_training_subjects(tmp_path):
    """The files hold the subjects' average without lesions, at the right heights."""
    made = embedded_dataset(
        size=32, subjects=3, slices=3, sequences=["T1w", "APTw"], workers=1
    )
    dataset = dataclasses.replace(made, directory=tmp_path / "copy")
    shutil.copytree(made.directory, dataset.directory)
    write_further_slices(dataset, dataset.directory / FOLDER, workers=1)
    found = read_all_slices(dataset)
    for first in (0, found.grid.slices - SLICES):
        subjects = [
            phantom.simulate_subject(
                int(name[-4:]),
                seed=0,
                grid=cut(found.grid, first, SLICES),
                sequences=dataset.sequences,
                lesion_grid=dataset.grid,
            )
            for name in dataset.splits["train"]
        ]
        labels = np.stack([one.labels for one in subjects])
        lesion = np.isin(labels, LESION_LABELS)
        assert len(subjects) == 2 and lesion.any()
        images = np.stack([dataset.normalise(None, one.images) for one in subjects])
        tissue = np.stack([one.tissue for one in subjects])
        rows = slice(first, first + SLICES)
        for values, drawn, step in (
            (found.volumes[rows], images, 2 / 254),
            (found.tissue[rows], tissue, 1 / 254),
        ):
            hidden = np.broadcast_to(lesion[..., None], drawn.shape)
            healthy = np.ma.masked_array(drawn, hidden).mean(axis=0).filled(np.nan)
            expected = np.where(np.isnan(healthy), drawn.mean(axis=0), healthy)
            np.testing.assert_allclose(values, expected, atol=0.51 * step)
        covered = (labels != BACKGROUND).mean(axis=0) >= 0.5
        np.testing.assert_array_equal(found.brain[rows], covered)
