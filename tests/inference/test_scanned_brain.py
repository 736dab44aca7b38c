"""A lesion in the brain of a simulated T1w head, with a known truth."""

import json

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data import phantom
from samr_jax.data.nifti import Volume, write_volume
from samr_jax.data.resample import resample
from samr_jax.inference import synthesizer
from samr_jax.inference.patient import PlacedMask
from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of
from tests.inference.test_anatomy import random_model
from tests.prepare import skulls
from tests.tiny import tiny_dataset

SEED = 3
GRID = phantom.grid(64, 9)
MOVE = skulls.motion((6, -4, 9), (8, -5, 11))
"""From the anatomy's millimetres to the scanner's."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random model of data in the template's space."""
    folder = tmp_path_factory.mktemp("data") / "set"
    return random_model(tiny_dataset(folder, grid=GRID), "anatomy")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A head with a bias field, which was moved in the scanner."""
    image, affine = skulls.scan("T1w", seed=SEED, move=MOVE, strength=0.1)
    path = tmp_path_factory.mktemp("patient-7") / "head.nii.gz"
    write_volume(path, image, affine)
    return path


@pytest.fixture(scope="module")
def brain(scan):
    """The true brain on the scan's voxels."""
    image = nib.load(scan)
    return skulls.brain_on(image.shape, image.affine, seed=SEED, move=MOVE)


@pytest.fixture(scope="module")
def drawn(scan):
    """A ball of tumor of 24 mm, drawn on the scan 25 mm beside the slices' middle."""
    image = nib.load(scan)
    middle = np.add(GRID.affine @ (31.5, 31.5, 4, 1), (25, 0, 0, 0))
    x, y, z, _ = np.linalg.inv(image.affine) @ MOVE @ middle
    columns, rows, slices = np.indices(image.shape)
    ball = (columns - x) ** 2 + (rows - y) ** 2 + (slices - z) ** 2 < 6**2
    path = scan.parent / "drawn.nii.gz"
    write_volume(path, np.where(ball, 4, 0).astype(np.uint8), image.affine)
    return path


@pytest.fixture(scope="module")
def result(model, scan, drawn, tmp_path_factory):
    """The placed mask, the tissue maps, and the folder of the synthesis."""
    pytest.importorskip("ants")
    found, out = [], tmp_path_factory.mktemp("synthesis") / "out"

    def spied(*arguments, put=synthesizer.put_into_scan):
        found.append(put(*arguments))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesizer, "put_into_scan", spied)
        Synthesizer(model=model, anatomy=scan)(drawn, out)
    return *found[0], out


@pytest.fixture(scope="module")
def seen(scan, result):
    """The scan's voxels between the first and the last slice, boolean ``(X, Y, Z)``."""
    image, placed = nib.load(scan), result[0]
    to_slices = np.linalg.inv(placed.native.from_dataset @ GRID.affine) @ image.affine
    height = np.tensordot(to_slices[2, :3], np.indices(image.shape), 1)
    height += to_slices[2, 3]
    return (height > 0.5) & (height < GRID.slices - 1.5)


def _on_grid(volume, affine, transform):
    return resample(volume, affine, GRID, transform=transform)


@pytest.mark.slow
def test_tissue_maps_are_the_scanned_anatomys(scan, drawn, result):
    placed, told, _ = result
    back = placed.native.from_dataset
    tissue, _, affine = skulls.anatomy(SEED)
    to_anatomy = np.linalg.inv(MOVE) @ back
    truth = np.stack([_on_grid(part, affine, to_anatomy) for part in tissue[:3]], -1)
    lesion = _on_grid(nib.load(drawn).get_fdata() > 0, nib.load(scan).affine, back)
    known = (truth.sum(axis=-1) > 0.9) & (lesion < 0.01)
    real, ours = truth.argmax(axis=-1), told.maps.argmax(axis=-1)
    scores = [skulls.dice((real == k) & known, (ours == k) & known) for k in range(3)]
    print("tissue", scores)
    # CSF is the largest part of few voxels that are 3 x 3 x 4 mm large.
    assert np.all(np.array(scores) > (0.8, 0.8, 0.3))


@pytest.mark.slow
def test_images_are_on_the_voxels_of_the_scan(scan, brain, drawn, result, seen):
    _, told, out = result
    image, labels = (nib.load(out / f"{name}.nii.gz") for name in ("T1w", "labels"))
    assert image.shape == brain.shape
    np.testing.assert_allclose(image.affine, nib.load(scan).affine, atol=1e-4)
    labels, lesion = labels.get_fdata(), nib.load(drawn).get_fdata() == 4
    overlap = skulls.dice((labels > 0)[seen], brain[seen])
    print("brain", overlap)
    assert overlap > 0.9
    np.testing.assert_array_equal(labels == 4, lesion)
    text = (out / "provenance.json").read_text()
    record = json.loads(text)["anatomy"]
    assert record == {
        "kind": "maps",
        "maps_sha256": told.digest,
        "scan_sha256": digest_of(scan),
    }
    assert "patient-7" not in text


@pytest.mark.slow
def test_a_mask_in_the_space_of_the_training_data(
    model, scan, brain, drawn, result, seen
):
    """It has the brain of the scan, and its lesion where the mask has it."""
    placed, told, _ = result
    lesion = nib.load(drawn).get_fdata() == 4
    there = _on_grid(lesion, nib.load(scan).affine, placed.native.from_dataset) > 0.5
    codes = np.where(there, 4, 0).transpose(2, 1, 0).astype(np.uint8)
    mask = Volume(codes, GRID.affine, "mask")
    moved = PlacedMask.of(mask, placed.native, drawn_on_scan=False)
    volume = moved.synthesize(model, anatomy=told)
    overlaps = [
        skulls.dice((volume.labels > 0)[seen], brain[seen]),
        skulls.dice(volume.labels == 4, lesion),
    ]
    print("brain and lesion", overlaps)
    assert overlaps[0] > 0.9 and overlaps[1] > 0.7
    assert volume.images.shape[:3] == brain.shape


def test_what_cannot_be_put_into_a_scan_is_refused(dataset, model, tmp_path):
    scan, empty = tmp_path / "no.nii.gz", tmp_path / "empty.nii.gz"
    write_volume(empty, np.ones((8, 8, 8), np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"empty.nii.gz: no lesion, expected one"):
        Synthesizer(model=model, anatomy=scan)(empty, tmp_path / "a")
    lesion = tmp_path / "lesion.nii.gz"
    write_volume(lesion, np.full((8, 8, 8), 4, np.uint8), np.eye(4))
    with pytest.raises(InputError, match=r"no.nii.gz: no such file"):
        Synthesizer(model=model, anatomy=scan)(lesion, tmp_path / "a")
    with pytest.raises(InputError, match="and a reference, expected only one of them"):
        Synthesizer(model=model, anatomy=scan, reference=[str(scan)])
    with pytest.raises(InputError, match="told no individual's anatomy"):
        paper = random_model(dataset, "cg_samr")
        Synthesizer(model=paper, anatomy=scan)(empty, tmp_path / "a")
