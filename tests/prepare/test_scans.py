"""Reading the files of a subject, and checking them against one another."""

import numpy as np
import pytest

from samr_jax.data.nifti import write_volume
from samr_jax.labels import PRESETS, TUMOR
from samr_jax.prepare.find.raw import RawSubject
from samr_jax.prepare.subject.scans import read_scans
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

AFFINE = np.diag([2.0, 2, 2, 1])
SHAPE = (6, 7, 8)


@pytest.fixture
def subject(tmp_path):
    """Files of two sequences on different grids, APTw with its reference, and tissue
    maps; and a function that writes one more file."""

    def write(role, data, affine=AFFINE):
        path = tmp_path / f"{role}.nii.gz"
        write_volume(path, data, affine)
        return path

    slab = (6, 7, 3)
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 2:4, 2:4] = 9
    files = {
        "T2w": write("T2w", np.ones((9, 9, 9)), AFFINE * 1.5),
        "T1w": write("T1w", np.ones(SHAPE)),
        "APTw": write("APTw", np.ones(slab)),
        "APTw-reference": write("APTw-reference", np.ones(slab)),
        "labels": write("labels", labels),
        "brain": write("brain", np.ones(SHAPE)),
        **{name: write(name, np.full(SHAPE, 0.3)) for name in ("WM", "GM", "CSF")},
    }
    return RawSubject("a", "a", files, files), write


def _read(raw):
    names = [name for name in ("T2w", "T1w", "APTw") if name in raw.files]
    return read_scans(raw, names, {0: 0, 9: TUMOR}, one_grid=False)


def test_everything_is_read(subject):
    scans = _read(subject[0])
    assert scans.anchor == "T1w" and scans.labels_on == "T1w"
    assert set(scans.companions) == {"APTw"} and scans.anatomic == ["T2w", "T1w"]
    assert (scans.labels == TUMOR).sum() == 8 and scans.brain.all()
    assert scans.tissue.shape == (*SHAPE, 3)


def test_labels_may_be_drawn_on_any_sequence(subject):
    raw, write = subject
    write("labels", np.full((9, 9, 9), 9, np.uint8), AFFINE * 1.5)
    assert _read(raw).labels_on == "T2w"


@pytest.mark.parametrize(
    "role, shape, words",
    [
        ("labels", (5, 7, 8), "labels.nii.gz: its grid is that of none of the sequenc"),
        ("brain", (5, 7, 8), r"brain.nii.gz: grid 5 x 7 x 8 .* of .*T1w.nii.gz"),
        ("GM", (5, 7, 8), r"GM.nii.gz: grid 5 x 7 x 8 .* of .*T1w.nii.gz"),
        ("APTw-reference", (6, 7, 4), r"APTw-reference.nii.gz: grid 6 x 7 x 4 "),
    ],
)
def test_files_on_other_grids_are_refused(subject, role, shape, words):
    raw, write = subject
    write(role, np.full(shape, 9 if role == "labels" else 0.5))
    with pytest.raises(InputError, match=words):
        _read(raw)


def test_maps_that_are_no_probabilities_or_lack_one_are_refused(subject):
    raw, write = subject
    write("GM", np.full(SHAPE, 80.0))
    with pytest.raises(InputError, match=r"GM.nii.gz: tissue probabilities from 80 to"):
        _read(raw)
    raw.files.pop("CSF")
    with pytest.raises(InputError, match="CSF is missing, expected"):
        _read(raw)


def test_value_that_the_labels_do_not_name_is_refused(subject):
    raw, write = subject
    write("labels", np.full(SHAPE, 5, np.uint8))
    with pytest.raises(InputError, match=r"labels.nii.gz: label value 5 is not named"):
        _read(raw)


def test_necrosis_of_brats_that_is_read_as_normal_brain_is_refused(subject):
    raw, write = subject
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 1:5, 1:5], labels[2:4, 2:4, 2:4] = 2, 1
    write("labels", labels)
    with pytest.raises(InputError, match=r"labels.nii.gz: normal brain .*=brats2021"):
        read_scans(raw, ["T1w"], PRESETS["samr"], one_grid=False)
    scans = read_scans(raw, ["T1w"], PRESETS["brats2021"], one_grid=False)
    assert (scans.labels == 3).sum() == 8
    labels[:, :, 0] = 1
    write("labels", labels)
    assert (read_scans(raw, ["T1w"], PRESETS["samr"], one_grid=False).labels == 1).any()
