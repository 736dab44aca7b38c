"""A mask in the wrong place is refused, and a lesion without an image is counted."""

import logging

import numpy as np
import pytest

from samr_jax.data.nifti import Volume
from samr_jax.data.planes import Planes
from samr_jax.data.subject import Grid
from samr_jax.inference.placement import with_normal_brain
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def mask(dataset):
    """A test subject's labels, with normal brain."""
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    return Volume(np.transpose(labels, (2, 1, 0)), dataset.grid.affine, "mask.nii")


def _moved(mask, by):
    affine = mask.affine.copy()
    affine[:3, 3] += by
    return Volume(mask.data, affine, mask.source)


@pytest.mark.parametrize("shift", [(300, 0, 0), (0, 15, 0)])
def test_a_brain_in_another_place_is_refused(model, mask, shift):
    words = r"mask.nii: the mask's brain and the atlas's have a Dice coefficient of 0"
    with pytest.raises(InputError, match=words):
        synthesize_volume(model, _moved(mask, shift))


def test_necrosis_that_is_read_as_normal_brain_is_refused(model, mask):
    """Value 1 of the BraTS protocols is necrosis, and value 1 of ours normal brain."""
    lesion_alone = np.array([0, 0, 2, 1, 4], np.uint8)[mask.data]
    words = "are its codes the ones that --labels says"
    with pytest.raises(InputError, match=words):
        synthesize_volume(model, Volume(lesion_alone, mask.affine, "brats.nii"))


def test_a_tumor_outside_the_brain_is_refused(model, mask):
    far = np.where(mask.data > 1, 1, mask.data)
    far[:2, :2] = 4
    with pytest.raises(InputError, match="0 % of the lesion lies in the atlas's brain"):
        synthesize_volume(model, Volume(far, mask.affine, "far.nii"))


@pytest.mark.quick
def test_a_refusal_says_where_the_slices_and_the_lesion_are():
    """Five slices at z = -8 to 8 mm; half of the lesion is above, a quarter below."""
    corner = np.diag([-1.0, -1.0, 4.0, 1.0])
    corner[2, 3] = -8
    grid = Grid((8, 8), 5, corner)
    codes = np.zeros((8, 8, 12), np.uint8)
    codes[4, 4, [0, 4, 9, 10]] = 4
    affine = grid.affine.copy()
    affine[2, 3] = -8 - 3 * 4
    planes = Planes.through(affine, codes.shape, grid)
    words = (
        r"m\.nii: 25 % of the lesion lies in the atlas's brain, expected at least "
        r"80 %; the atlas's slices lie at z = -8\.0 to 8\.0 mm, and 50 % of the lesion "
        "lies above them, 25 % below; a mask that was drawn on a scan needs "
        "--reference=SCAN"
    )
    with pytest.raises(InputError, match=words):
        with_normal_brain(codes, planes, np.ones((5, 8, 8), bool), source="m.nii")


def test_a_mask_without_lesion_is_no_error(model, mask):
    healthy = np.minimum(mask.data, 1)
    volume = synthesize_volume(model, Volume(healthy, mask.affine, "healthy.nii"))
    assert (volume.lesion.voxels, volume.lesion.without_image) == (0, 0)


def test_lesion_above_the_atlas_is_counted_and_told(
    model, mask, tmp_path, caplog, monkeypatch
):
    """Two further slices repeat the uppermost one, above the slices of the atlas."""
    monkeypatch.setattr(logging.getLogger("samr_jax"), "propagate", True)
    inside = synthesize_volume(model, mask)
    assert not caplog.messages and inside.lesion.without_image == 0
    taller = np.concatenate([mask.data, mask.data[..., -1:], mask.data[..., -1:]], -1)
    volume = synthesize_volume(model, Volume(taller, mask.affine, "tall.nii"))
    outside = 2 * np.count_nonzero(mask.data[..., -1] > 1)
    total = np.count_nonzero(mask.data > 1) + outside
    told = f"tall.nii: 40 % of the lesion ({outside} of {total} voxels) lies outside"
    assert told in caplog.text
    write_volumes(volume, model, tmp_path / "out")
    record = read_json(tmp_path / "out" / "provenance.json")
    assert record["lesion"] == {"voxels": total, "without_image": outside}
    assert not volume.images[..., -2:, :].any() and not volume.labels[..., -2:].any()
    np.testing.assert_array_equal(volume.images[..., :3, :], inside.images)


@pytest.mark.parametrize("turn", [0, 20])
def test_voxels_that_are_covered_are_those_that_get_a_value(dataset, turn):
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    rotation = np.array([[cos, 0, sin, 0], [0, 1, 0, 0], [-sin, 0, cos, 0], [0] * 4])
    rotation[3, 3] = 1
    affine = rotation @ dataset.grid.affine @ np.diag([1.3, 0.9, 0.3, 1])
    planes = Planes.through(affine, (30, 40, 20), dataset.grid)
    ones = np.ones((len(planes.heights), *dataset.grid.size, 1), np.float32)
    given = planes.to_mask(ones)[..., 0] > 0
    covered = planes.covered
    assert 0 < np.count_nonzero(covered) < covered.size
    np.testing.assert_array_equal(covered, given)
