"""Small co-registered subjects through the whole preparation."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data.nifti import write_volume
from samr_jax.errors import InputError
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.prepare import jobs
from samr_jax.prepare.inverse import native_space
from samr_jax.prepare.pipeline import prepare
from samr_jax.prepare.steps import Steps

AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 31], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (28, 32, 24)
SUFFIXES = ("t1", "t1ce", "t2", "flair")
REAL = os.environ.get("SAMR_REAL_DATA")
PLAIN = Steps(bias="off", tissue="off")


def _file(root, index, suffix):
    return root / f"smith{index}" / f"smith{index}_{suffix}.nii.gz"


def _write_subject(root, index):
    rng = np.random.default_rng(index)
    middle = (np.array(SHAPE) - 1)[:, None, None, None] / 2
    x, y, z = np.indices(SHAPE) - middle
    brain = (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1
    seg = np.zeros(SHAPE, np.uint8)
    seg[10:16, 12:18, 8:14] = 2
    seg[11:15, 13:17, 9:13] = 4
    seg[12:14, 14:16, 10:12] = 1
    for suffix in SUFFIXES:
        image = brain * rng.integers(100, 1000, SHAPE)
        write_volume(_file(root, index, suffix), image, AFFINE)
    write_volume(_file(root, index, "seg"), seg, AFFINE)


def _prepare(raw, output, lines=None, **options):
    log = (lambda _: None) if lines is None else lines.append
    plain = {"steps": PLAIN, "workers": 1, "size": 32, "slice_spacing": 4.0}
    return prepare(raw, output, log=log, **{**plain, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four sound subjects, their dataset and what was said."""
    folder = tmp_path_factory.mktemp("whole")
    for index in range(4):
        _write_subject(folder / "raw", index)
    lines = []
    return _prepare(folder / "raw", folder / "out", lines), folder, lines


@pytest.fixture
def raw(whole, tmp_path):
    """A copy to break."""
    return shutil.copytree(whole[1] / "raw", tmp_path / "raw")


def _source(name):
    """Number of the subject behind a pseudonym."""
    return int(name[4:8]) - 1


def test_dataset_holds_the_subjects(whole):
    dataset, _, lines = whole
    assert "4 subjects of layout brats2021" in lines[0]
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w", "FLAIR")
    assert [len(dataset.splits[s]) for s in ("train", "val", "test")] == [2, 1, 1]
    assert dataset.grid.spacing == pytest.approx((1, 1, 4))
    train = dataset.split("train")
    labels = np.stack([train[i]["labels"] for i in range(len(train))])
    assert set(np.unique(labels)) == {0, NORMAL, EDEMA, CAVITY, TUMOR}
    assert len(train) == 2 * dataset.grid.slices
    assert not dataset.simulated


def test_dataset_names_no_patient(whole):
    dataset, folder, _ = whole
    files = [path for path in dataset.directory.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert "smith" not in path.name
        assert b"smith" not in path.read_bytes(), path
    key = (folder / "out.work" / "names.csv").read_text().splitlines()
    assert key[1] == "sub-0001_ses-01,smith0"


def test_names_are_kept_when_asked(whole, tmp_path):
    dataset = _prepare(whole[1] / "raw", tmp_path / "out", keep_names=True)
    assert set(sum(dataset.splits.values(), ())) == {f"smith{i}" for i in range(4)}


def test_result_does_not_depend_on_the_number_of_processes(whole, tmp_path):
    again = _prepare(whole[1] / "raw", tmp_path / "out", workers=2)
    assert again.content_hash == whole[0].content_hash


def test_quality_page_shows_every_subject(whole):
    folder = whole[0].directory / "qc"
    page = (folder / "index.html").read_text()
    for name in sum(whole[0].splits.values(), ()):
        assert f"{name}.png" in page
        assert (folder / f"{name}.png").stat().st_size > 10_000


def test_provenance_says_how_and_from_what(whole):
    dataset, folder, _ = whole
    assert dataset.provenance["layout"] == "brats2021"
    assert dataset.provenance["labels"]["4"] == TUMOR
    assert dataset.provenance["tools"]["numpy"] == np.__version__
    records = json.loads((dataset.directory / "subjects.json").read_text())
    t1 = _file(folder / "raw", 0, "t1").read_bytes()
    assert records["sub-0001_ses-01"]["sha256"]["T1w"] == sha256(t1).hexdigest()


def test_other_dataset_is_not_overwritten(whole):
    _, folder, _ = whole
    with pytest.raises(InputError, match="exists already"):
        _prepare(folder / "raw", folder / "out")


def test_broken_subject_is_told_and_leaves_the_others_alone(whole, raw, tmp_path):
    lost = whole[0].splits["train"][0]
    bad = _file(raw, _source(lost), "t2")
    bad.write_bytes(bad.read_bytes()[:1000])
    lines = []
    dataset = _prepare(raw, tmp_path / "out", lines)
    assert any(f"left out: smith{_source(lost)}: {bad}: unread" in li for li in lines)
    assert "1 subjects failed" in lines[-1]
    for split, names in dataset.splits.items():
        assert set(names) == set(whole[0].splits[split]) - {lost}


def test_losing_the_only_test_subject_draws_anew(whole, raw, tmp_path):
    lost = whole[0].splits["test"][0]
    _file(raw, _source(lost), "t2").write_bytes(b"")
    splits = _prepare(raw, tmp_path / "out").splits
    assert len(splits["train"]) == 2 and len(splits["test"]) == 1
    assert lost not in sum(splits.values(), ())


def test_second_run_goes_on_from_the_first(raw, tmp_path, monkeypatch):
    bad = _file(raw, 3, "t2")
    bad.rename(tmp_path / "away")
    wanted = {"sequences": ["T1w", "T2w"]}
    _prepare(raw, tmp_path / "out", **wanted)
    (tmp_path / "away").rename(bad)
    os.rename(tmp_path / "out", tmp_path / "first")
    made = []
    original = jobs.prepare_subject
    monkeypatch.setattr(
        jobs,
        "prepare_subject",
        lambda raw, *rest, **options: (
            made.append(raw.name) or original(raw, *rest, **options)
        ),
    )
    dataset = _prepare(raw, tmp_path / "out", **wanted)
    assert made == ["smith3"]
    assert sum(map(len, dataset.splits.values())) == 4


def test_sequence_that_one_subject_lacks_is_left_out_and_told(raw, tmp_path):
    _file(raw, 1, "flair").unlink()
    lines = []
    dataset = _prepare(raw, tmp_path / "out", lines)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w")
    told = [line for line in lines if "FLAIR is left out" in line]
    assert len(told) == 1 and "smith1_flair.nii.gz" in told[0]


def test_different_grids_of_one_subject_name_both_files(raw, tmp_path):
    for index in range(4):
        write_volume(_file(raw, index, "t2"), np.ones((8, 8, 8)), AFFINE)
    words = r"smith0_t2.nii.gz: grid 8 x 8 x 8 .*smith0_t1.nii.gz"
    with pytest.raises(InputError, match=words):
        _prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_label_value_names_the_file(raw, tmp_path):
    words = r"smith0_seg.nii.gz: label value 4 is not named"
    with pytest.raises(InputError, match=words):
        _prepare(raw, tmp_path / "out", labels="brats2023")


def test_head_with_skull_is_refused_where_stripping_is_off(raw, tmp_path):
    affine = AFFINE @ np.diag([10, 10, 10, 1])
    for index in range(4):
        for suffix in (*SUFFIXES, "seg"):
            write_volume(_file(raw, index, suffix), np.ones((24, 24, 24)), affine)
    steps = Steps(strip="off", bias="off", tissue="off")
    with pytest.raises(InputError, match="more voxels are not zero than a brain"):
        _prepare(raw, tmp_path / "out", labels="1:tumor", steps=steps)


def test_wrong_choices_are_refused(raw, tmp_path):
    with pytest.raises(InputError, match="step bias: 'yes', expected auto, on, off"):
        Steps(bias="yes")
    with pytest.raises(InputError, match="atlas 'median', expected one of auto"):
        _prepare(raw, tmp_path / "out", atlas="median")


def test_dataset_goes_back_to_the_native_grid(whole):
    dataset, _, _ = whole
    native = native_space(dataset, "sub-0001_ses-01", "T1w")
    assert native.shape == SHAPE
    z, y, x = np.indices((dataset.grid.slices, 32, 32))
    world = np.stack([x, y, z], -1) @ dataset.grid.affine[:3, :3].T
    ramp = (world + dataset.grid.affine[:3, 3]) @ [1.0, 2.0, 3.0] + 500
    back = native.from_grid(ramp, dataset.grid)
    index = np.stack(np.indices(SHAPE), -1)
    expected = (index @ AFFINE[:3, :3].T + AFFINE[:3, 3]) @ [1.0, 2.0, 3.0] + 500
    inside = back != 0
    np.testing.assert_allclose(back[inside], expected[inside], atol=1e-2)
    assert inside.mean() >= 0.5
    with pytest.raises(InputError, match="no scan T1w of subject 'nobody'"):
        native_space(dataset, "nobody", "T1w")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SAMR_REAL_DATA names no folder")
def test_real_patients(tmp_path):
    dataset = _prepare(Path(REAL) / "brats2021", tmp_path / "out", size=64, workers=2)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w", "FLAIR")
    assert [len(dataset.splits[s]) for s in ("train", "val", "test")] == [2, 0, 1]
    assert dataset.grid.spacing == pytest.approx((3.75, 3.75, 4.0))
    assert 25 <= dataset.grid.slices <= 40
    records = json.loads((dataset.directory / "subjects.json").read_text())
    for record in records.values():
        assert record["registered"] == [] and not record["stripped"]
        assert 900 < record["brain_ml"] < 2000
    test = dataset.split("test")
    slices = [test[i] for i in range(len(test))]
    labels = np.stack([s["labels"] for s in slices])
    t1c = np.stack([s["images"][..., 1] for s in slices]) / 32767 + 1
    assert t1c[labels == TUMOR].mean() > 1.3 * t1c[labels == NORMAL].mean()
