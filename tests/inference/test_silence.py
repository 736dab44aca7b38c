"""Nothing is silent: what holds for the synthesis of any mask, whatever its grid.

Each voxel of the lesion has an image or is counted, left stays left, and the label map
that is written is the one that was used. A stand-in paints the labels, so that an image
says which label it shows.
"""

import itertools
import logging

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.nifti import Volume, read_labels, read_volume
from samr_jax.data.planes import Planes
from samr_jax.inference.native_space import Native
from samr_jax.inference.patient import _on_scan
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.labels import TUMOR
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from tests.stand_ins import Both

pytestmark = pytest.mark.quick

BRAIN_MM = 13.4
"""Radius of the disc that is every brain of the tiny dataset."""

REACH_MM = (15.5, 15.5, 1.5 * 4.4)
"""The dataset's grid reaches so far to all sides, half a slice included above and
below. In a plane it ends at the centre of the outermost pixels."""

ORIENTATIONS = [
    "".join(codes)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for codes in itertools.product(*axes)
]


@pytest.fixture(scope="module")
def model(dataset):
    return Both(dataset)


def grid_of(orientation, shape, spacing, centre):
    """Affine of voxels whose axes point as `orientation` says, around `centre`.

    Args:
      orientation: such as "LPS".
      shape: voxels along left, posterior and superior.
      spacing: millimetres along them.
      centre: RAS+ millimetres.
    """
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    image = nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(orientation)
    )
    turned = image.as_reoriented(turn)
    return turned.shape, turned.affine


def places_of(shape, affine):
    """RAS+ millimetres of every voxel, ``(X, Y, Z, 3)``."""
    return nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))


def drawn(shape, affine, centre, radius, *, brain):
    """A ball of tumor, in a brain or alone."""
    places = places_of(shape, affine)
    labels = np.zeros(shape, np.uint8)
    if brain:
        labels[np.hypot(places[..., 0], places[..., 1]) < BRAIN_MM] = 1
    labels[np.linalg.norm(places - centre, axis=-1) < radius] = TUMOR
    return Volume(labels, affine, "mask.nii")


def random_mask(rng):
    """A mask whose slices may reach beyond the atlas, and its lesion with them."""
    shape, affine = grid_of(
        str(rng.choice(ORIENTATIONS)),
        (*rng.integers(36, 48, 2), rng.integers(3, 24)),
        (*rng.uniform(0.8, 1.2, 2), rng.uniform(0.7, 4.0)),
        (*rng.uniform(-1, 1, 2), rng.uniform(-6, 6)),
    )
    centre = (*rng.uniform(-5, 5, 2), rng.uniform(-8, 8))
    return drawn(shape, affine, centre, rng.uniform(2, 8), brain=rng.random() < 0.5)


@pytest.mark.parametrize("seed", range(40))
def test_each_voxel_of_the_lesion_has_an_image_or_is_counted(
    model, tmp_path, caplog, monkeypatch, seed
):
    monkeypatch.setattr(logging.getLogger("samr_jax"), "propagate", True)
    mask = random_mask(np.random.default_rng(seed))
    try:
        volume = synthesize_volume(model, mask)
    except InputError as refusal:
        assert str(refusal)
        return
    lesion = mask.data == TUMOR
    outside = (np.abs(places_of(mask.data.shape, mask.affine)) > REACH_MM).any(axis=-1)
    missing = np.count_nonzero(lesion & outside)
    np.testing.assert_array_equal(volume.labels == TUMOR, lesion & ~outside)
    assert (volume.images[lesion & ~outside, 0] > 0).all()
    assert not volume.images[outside].any()
    write_volumes(volume, model, tmp_path / "out")
    record = read_json(tmp_path / "out" / "provenance.json")["lesion"]
    assert record == {"voxels": lesion.sum(), "without_image": missing}
    assert (f"({missing} of {lesion.sum()} voxels)" in caplog.text) == (missing > 0)


def test_most_random_masks_are_synthesized_and_many_are_cut(model):
    counts = []
    for seed in range(40):
        try:
            mask = random_mask(np.random.default_rng(seed))
            counts.append(synthesize_volume(model, mask).lesion.without_image > 0)
        except InputError:
            continue
    assert len(counts) > 20 and sum(counts) > 7


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_left_stays_left(model, tmp_path, orientation):
    """A lesion that is left, anterior and superior, in each order of the axes."""
    shape, affine = grid_of(orientation, (36, 40, 3), (1.0, 1.0, 4.4), np.zeros(3))
    lesion = np.array([-6.0, 4.0, 3.0])
    mask = drawn(shape, affine, lesion, 4, brain=True)
    write_volumes(synthesize_volume(model, mask), model, tmp_path / "out")
    image = nib.load(tmp_path / "out" / "T1w.nii.gz")
    assert "".join(nib.aff2axcodes(image.affine)) == orientation
    values = image.get_fdata()
    bright = places_of(values.shape, image.affine)[values > 0.8 * values.max()]
    assert len(bright) > 10 and (np.abs(bright - lesion) < (4.5, 4.5, 4.5)).all()
    # As a whole it is the image of the first orientation.
    back = nib.as_closest_canonical(image).get_fdata()
    same = _canonical(model)
    np.testing.assert_allclose(back, same, atol=1e-3 * same.max())


def _canonical(model):
    shape, affine = grid_of("RAS", (36, 40, 3), (1.0, 1.0, 4.4), np.zeros(3))
    mask = drawn(shape, affine, np.array([-6.0, 4.0, 3.0]), 4, brain=True)
    return synthesize_volume(model, mask).images[..., 0]


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "ASL"])
def test_the_label_map_that_is_written_is_the_one_that_was_used(
    model, tmp_path, monkeypatch, orientation
):
    """In the images, and in what the network was given."""
    given = []
    paint = model.synthesize

    def synthesize(stored):
        given.append(stored["labels"])
        return paint(stored)

    monkeypatch.setattr(model, "synthesize", synthesize)
    shape, affine = grid_of(orientation, (32, 32, 5), (1.0, 1.0, 4.4), np.zeros(3))
    mask = drawn(shape, affine, np.array([-5.0, 3.0, 4.0]), 5, brain=False)
    write_volumes(synthesize_volume(model, mask), model, tmp_path / "out")
    written = read_labels(tmp_path / "out" / "labels.nii.gz")
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    planes = Planes.through(affine, shape, model.dataset.grid)
    count = len(planes.heights)
    np.testing.assert_array_equal(planes.from_mask(written.data), given[0][:count])
    image = read_volume(tmp_path / "out" / "T1w.nii.gz").data
    levels = [np.unique(image[written.data == code].round(1)) for code in range(5)]
    shown = [level[0] for level in levels if len(level)]
    assert all(len(level) <= 1 for level in levels) and len(set(shown)) == 3


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_lesion_outside_a_patients_scan_is_counted(model, cut, caplog, monkeypatch):
    """The scan ends so many rows before the lesion does."""
    monkeypatch.setattr(logging.getLogger("samr_jax"), "propagate", True)
    shape, affine = grid_of("RAS", (32, 32, 3), (1.0, 1.0, 4.4), np.zeros(3))
    mask = drawn(shape, affine, np.array([0.0, 3.0, 0.0]), 6, brain=True)
    volume = synthesize_volume(model, mask)
    rows = np.flatnonzero((mask.data == TUMOR).any(axis=(0, 2)))
    end = rows[-1] + 1 - cut
    native = Native("scan.nii", (32, int(end), 3), affine, np.eye(4))
    there = _on_scan(volume, native)
    missing = np.count_nonzero(mask.data[:, end:] == TUMOR)
    total = np.count_nonzero(mask.data == TUMOR)
    assert (there.lesion.voxels, there.lesion.without_image) == (total, missing)
    assert np.count_nonzero(there.labels == TUMOR) == total - missing
    assert (f"scan.nii: {100 * missing / total:.2g} %" in caplog.text) == (cut > 0)
