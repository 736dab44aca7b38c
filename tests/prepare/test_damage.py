"""A damaged subject fails alone, and one line says what is wrong with it."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from samr_jax.labels import CAVITY, EDEMA, TUMOR
from samr_jax.prepare.cohort import jobs
from samr_jax.prepare.decide_options import decide_options
from samr_jax.prepare.find.layouts import find_subjects
from tests.prepare.small_subjects import (
    AFFINE,
    PLAIN,
    SEQUENCES,
    SHAPE,
    SUFFIXES,
    TARGET,
    scan_file,
    write_subject,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The scans of four subjects."""
    folder = tmp_path_factory.mktemp("sound")
    for index in range(4):
        write_subject(folder, index)
    return folder


@pytest.fixture
def raw(sound, tmp_path):
    """A copy to break."""
    return shutil.copytree(sound, tmp_path / "raw")


def _zeros(path, image):
    nib.save(nib.Nifti1Image(np.zeros(SHAPE), AFFINE), path)


def _nan(path, image):
    data = image.get_fdata()
    data[3, 4, 5] = np.nan
    nib.save(nib.Nifti1Image(data, AFFINE), path)


def _four_dimensions(path, image):
    data = np.repeat(image.get_fdata()[..., None], 2, axis=-1)
    nib.save(nib.Nifti1Image(data, AFFINE), path)


def _micrometres(path, image):
    nib.save(
        nib.Nifti1Image(image.get_fdata(), AFFINE @ np.diag([1e3] * 3 + [1])), path
    )


def _flat_affine(path, image):
    image.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
    image.set_qform(None, code=0)
    nib.save(image, path)


def _truncated(path, image):
    path.write_bytes(path.read_bytes()[:-200])


def _other_grid(path, image):
    nib.save(nib.Nifti1Image(image.get_fdata()[1:], AFFINE), path)


def _one_value(path, image):
    nib.save(nib.Nifti1Image((image.get_fdata() > 0) * 7.0, AFFINE), path)


@pytest.fixture(scope="module")
def options(sound):
    """The options that the subjects share."""
    found = find_subjects(sound)
    return decide_options(
        found,
        PLAIN,
        sets=(SEQUENCES,),
        mapping={0: 0, 1: CAVITY, 2: EDEMA, 4: TUMOR},
        target=TARGET,
        atlas="auto",
        log=str,
    )


@pytest.mark.parametrize(
    "suffix, damage, reason",
    [
        ("t1ce", lambda path, image: path.unlink(), "Gd-T1w is missing, expected {}"),
        ("t2", _zeros, "{}: every voxel is zero, expected an image"),
        ("t2", _nan, "{}: 1 voxels are NaN or infinite, expected finite values"),
        ("flair", _four_dimensions, "{}: shape (28, 32, 24, 2), expected three"),
        ("t1", _micrometres, "{}: voxel size 1000 x 1000 x 1000 mm, expected 0.05 to"),
        ("t1", _flat_affine, "{}: the affine cannot be inverted, expected one"),
        ("t2", _truncated, "{}: unreadable ("),
        ("seg", _other_grid, "{}: grid 27 x 32 x 24 at (0.0, 31.0, 0.0) mm differs"),
        ("seg", lambda path, image: path.write_text("?"), "{}: unreadable ("),
        ("t2", _one_value, "T2w: two of its intensity percentiles coincide"),
    ],
)
def test_damage_is_told_in_one_line(raw, options, tmp_path, suffix, damage, reason):
    path = scan_file(raw, 1, suffix)
    damage(path, nib.load(path))
    subjects = find_subjects(raw).subjects
    job = jobs.make_jobs(subjects, options, tmp_path / "work", keep_names=False)[1]
    failure = job.run()
    told = str(failure)
    assert told.startswith(f"smith1: {reason.format(path)}") and "\n" not in told
    # Pictures exist as soon as the scans have been read.
    assert bool(failure.views) == (failure.step != "reading")
    assert not list(tmp_path.glob("work/subjects/*"))


def test_subject_that_lies_elsewhere_fails_alone(raw, options, tmp_path):
    affine = AFFINE.copy()
    affine[:3, 3] += 500
    for suffix in (*SUFFIXES, "seg"):
        image = nib.load(scan_file(raw, 1, suffix))
        nib.save(
            nib.Nifti1Image(np.asarray(image.dataobj), affine), image.get_filename()
        )
    subjects = find_subjects(raw).subjects
    job = jobs.make_jobs(subjects, options, tmp_path / "work", keep_names=False)[1]
    failure = job.run()
    assert "smith1: no slice of the dataset's grid shows brain" in str(failure)
    assert failure.step == "final checks" and len(failure.views) == 3 * len(SUFFIXES)
