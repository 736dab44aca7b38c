"""One slice of a mask, against the synthesis of the whole volume."""

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.nifti import Volume
from samr_jax.data.orientation import axial, from_axial
from samr_jax.inference.one_slice import SliceSynthesizer
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.runtime.errors import InputError
from tests.inference.test_anatomy import random_model
from tests.tiny import blob_subject


@pytest.fixture(scope="module")
def model(dataset):
    return random_model(dataset, "anatomy", noise=1)


def on_grid(dataset):
    labels = np.transpose(blob_subject(1).labels, (2, 1, 0))
    return nib.Nifti1Image(labels, dataset.grid.affine)


def turned(dataset):
    """Sagittal slices, three of five within the atlas, of other voxels."""
    image = on_grid(dataset)
    labels = np.pad(image.get_fdata().astype(np.uint8), ((0, 0), (0, 0), (1, 1)))
    affine = image.affine.copy()
    affine[:3, 3] -= affine[:3, 2]
    finer = np.repeat(labels, 2, axis=0)
    affine[:3, 3] -= affine[:3, 0] / 4
    affine[:3, 0] /= 2
    image = nib.Nifti1Image(finer, affine)
    return image.as_reoriented([[1, -1], [2, 1], [0, -1]])


def tilted(dataset):
    """Slices that are tilted against the atlas's, so that each needs several planes."""
    image = on_grid(dataset)
    angle = np.deg2rad(6)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return nib.Nifti1Image(image.get_fdata().astype(np.uint8), tilt @ image.affine)


@pytest.mark.parametrize("case", [on_grid, turned, tilted])
@pytest.mark.parametrize("anatomy", ["average", 2])
def test_a_slice_has_the_images_of_the_volume(model, dataset, case, anatomy):
    image = case(dataset)
    mask = Volume(np.asarray(image.dataobj), image.affine, "mask")
    synthesize = SliceSynthesizer(model, mask, anatomy=anatomy)
    labels = axial(mask.data, mask.affine)
    edited = np.where(labels == 4, 2, labels)
    volume = synthesize_volume(
        model,
        Volume(from_axial(edited, mask.affine), mask.affine, "mask"),
        anatomy=anatomy,
        seed=5,
    )
    images, confidence = (
        axial(values, mask.affine) for values in (volume.images, volume.confidence)
    )
    brain = axial(volume.labels, mask.affine) > 0
    assert brain.any(axis=(1, 2)).sum() >= 2
    for index in range(len(labels)):
        found = synthesize(edited, index, seed=5)
        inside = brain[index][..., None]
        np.testing.assert_allclose(found.images, images[index] * inside, atol=0.02)
        if found.confidence is not None:
            expected = confidence[index] * inside
            np.testing.assert_allclose(found.confidence, expected, atol=1e-4)
        else:
            assert not inside.any()


def test_the_seed_of_the_noise_counts(model, dataset):
    image = on_grid(dataset)
    mask = Volume(np.asarray(image.dataobj), image.affine, "mask")
    synthesize = SliceSynthesizer(model, mask, anatomy="average")
    labels = axial(mask.data, mask.affine)
    first, same, other = (synthesize(labels, 1, seed=s).images for s in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_mask_elsewhere_is_refused(model, dataset):
    image = on_grid(dataset)
    away = image.affine.copy()
    away[0, 3] += 25
    mask = Volume(np.asarray(image.dataobj), away, "mask.nii")
    with pytest.raises(InputError, match=r"mask\.nii: .* Dice coefficient of 0"):
        SliceSynthesizer(model, mask, anatomy="average")
