"""Layouts: which files make which subject."""

import pytest

from samr_jax.errors import InputError
from samr_jax.labels import CAVITY, EDEMA, TUMOR
from samr_jax.prepare.annotation import label_mapping
from samr_jax.prepare.layouts import LABELS_ROLE, find_subjects

BRATS = {"T1w", "Gd-T1w", "T2w", "FLAIR", LABELS_ROLE}


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def _brats2021(root, name, suffixes=("t1", "t1ce", "t2", "flair", "seg")):
    _touch(root, *(f"{name}/{name}_{suffix}.nii.gz" for suffix in suffixes))


def _brats2023(root, name, suffixes=("t1n", "t1c", "t2w", "t2f", "seg")):
    _touch(root, *(f"{name}/{name}-{suffix}.nii.gz" for suffix in suffixes))


def test_brats2021_is_recognised(tmp_path):
    for name in ("BraTS2021_00002", "BraTS2021_00000"):
        _brats2021(tmp_path, name)
    found = find_subjects(tmp_path)
    assert (found.layout, found.preset) == ("brats2021", "brats2021")
    assert [s.name for s in found.subjects] == ["BraTS2021_00000", "BraTS2021_00002"]
    assert all(set(s.files) == BRATS for s in found.subjects)
    assert found.subjects[0].file("Gd-T1w").name == "BraTS2021_00000_t1ce.nii.gz"


def test_bare_names_take_the_folder_for_the_subject(tmp_path):
    _touch(tmp_path, *(f"p{i}/{s}.nii.gz" for i in (1, 2) for s in ("t1", "t2", "seg")))
    found = find_subjects(tmp_path)
    assert found.layout == "brats2021"
    assert [s.name for s in found.subjects] == ["p1", "p2"]
    assert set(found.subjects[0].files) == {"T1w", "T2w", LABELS_ROLE}


def test_brats2023_keeps_the_time_points_of_a_patient_together(tmp_path):
    for name in ("BraTS-GLI-00008-100", "BraTS-GLI-00008-101", "BraTS-GLI-00009-000"):
        _brats2023(tmp_path, name)
    found = find_subjects(tmp_path)
    assert found.layout == "brats2023"
    assert [s.patient for s in found.subjects] == [
        "BraTS-GLI-00008",
        "BraTS-GLI-00008",
        "BraTS-GLI-00009",
    ]


def test_missing_sequence_names_the_expected_file(tmp_path):
    _brats2021(tmp_path, "a", ("t1", "t2"))
    subject = find_subjects(tmp_path).subjects[0]
    with pytest.raises(InputError, match=r"a: FLAIR is missing, .*a/a_flair.nii.gz"):
        subject.file("FLAIR")


def test_two_files_for_one_sequence_are_refused(tmp_path):
    _brats2021(tmp_path, "a")
    _touch(tmp_path, "a/a_t1.nii")
    with pytest.raises(InputError, match=r"second file for T1w of a"):
        find_subjects(tmp_path)


def test_two_folders_with_the_same_subject_are_refused(tmp_path):
    _brats2021(tmp_path / "site1", "a")
    _brats2021(tmp_path / "site2", "a")
    with pytest.raises(InputError, match=r"site2/a/.*second file.*site1/a/"):
        find_subjects(tmp_path)


def test_nothing_recognisable_is_said(tmp_path):
    _touch(tmp_path, "scan1.nii.gz", "readme.txt")
    with pytest.raises(InputError, match="no subjects of layout"):
        find_subjects(tmp_path)


def test_unknown_folder_and_layout_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_subjects(tmp_path / "none")
    with pytest.raises(InputError, match="layout 'dicom' is unknown, expected auto"):
        find_subjects(tmp_path, "dicom")


def test_label_maps():
    assert label_mapping("auto", auto="brats2021")[4] == TUMOR
    assert label_mapping("brats2021-necrosis-as-tumor", auto="brats2023")[1] == TUMOR
    custom = label_mapping("1:cavity, 7:edema", auto="brats2021")
    assert dict(custom) == {0: 0, 1: CAVITY, 7: EDEMA}
    with pytest.raises(InputError, match="'1:nothing', expected VALUE:NAME"):
        label_mapping("1:nothing", auto="brats2021")
    with pytest.raises(InputError, match="preset 'brats' is unknown"):
        label_mapping("brats", auto="brats2021")
