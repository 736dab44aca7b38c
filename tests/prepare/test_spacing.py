"""Headers that have lost their voxel size are noticed, and the user can state it."""

import json

import nibabel as nib
import numpy as np
import pytest

from samr_jax.prepare.find.spacing import parse_spacing, stated_affine
from samr_jax.prepare.options import Steps
from samr_jax.runtime.errors import InputError
from tests.prepare.small_subjects import SUFFIXES, scan_file, write_subject
from tests.prepare.test_prepare import prepare_small

TURNED = np.array([[0.0, -1, 0, 5], [-1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])


def test_impossible_voxel_size_is_refused():
    words = "a.nii: the header states 256 x 256 x 23 voxels of 1 x 1 x 1 mm, which .*"
    with pytest.raises(InputError, match=words + "--spacing_of=0.86,0.86,5"):
        stated_affine((256, 256, 23), np.eye(4), None, source="a.nii")


def test_stated_size_keeps_orientation_and_origin():
    affine = stated_affine((256, 256, 23), TURNED, (0.86, 0.9, 5.0), source="a.nii")
    # The second voxel along each axis, in millimetres from the first.
    steps = affine[:3, :3].T.tolist()
    assert steps == [[0, -0.86, 0], [-0.9, 0, 0], [0, 0, 5]]
    np.testing.assert_array_equal(affine[:3, 3], (5, 6, 7))


@pytest.mark.parametrize("shape", [(240, 240, 155), (181, 217, 181), (100, 90, 80)])
def test_possible_headers_are_left_alone(shape):
    assert stated_affine(shape, TURNED, None, source="a") is TURNED
    own = np.diag([0.5, 0.5, 6, 1])
    assert stated_affine((512, 512, 20), own, (1.0, 1.0, 4.0), source="a") is own


@pytest.mark.parametrize("text", [["1", "1"], ["1", "1", "x"], ["1", "1", "90"]])
def test_wrong_sizes_are_refused(text):
    with pytest.raises(InputError, match=f"spacing_of {','.join(text)}, expected thr"):
        parse_spacing(text)


def test_stated_size_reaches_the_dataset(tmp_path):
    """Every fourth slice is kept, and the header still states 1 mm."""
    for index in range(4):
        write_subject(tmp_path / "raw", index)
        for suffix in (*SUFFIXES, "seg"):
            path = scan_file(tmp_path / "raw", index, suffix)
            image = nib.load(path)
            thin = np.asarray(image.dataobj)[:, :, ::4]
            nib.save(nib.Nifti1Image(thin, image.affine), path)
    raw, output = tmp_path / "raw", tmp_path / "out"
    with pytest.raises(InputError, match=r"smith0_t1.nii.gz: the header states 28 x 3"):
        prepare_small(raw, output)
    steps = Steps(register="off", bias="off", tissue="off")
    dataset = prepare_small(raw, output, steps=steps, spacing_of=["1", "1", "4"])
    records = json.loads((dataset.directory / "subjects.json").read_text())
    record = records["sub-0001_ses-01"]
    assert np.array(record["scans"]["T1w"]["affine"])[2][2] == 4
    assert record["coverage"] == dict.fromkeys(record["scans"], 1.0)
    assert dataset.provenance["spacing_of"] == [1, 1, 4]
    assert dataset.grid.slices * 4 == 20
