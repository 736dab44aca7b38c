"""Small co-registered subjects through the whole preparation."""

import os
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data.nifti import write_volume
from samr_jax.errors import InputError
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.prepare.pipeline import prepare

AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 31], [0, 0, 1, 0], [0, 0, 0, 1]])
SUFFIXES = ("t1", "t1ce", "t2", "flair")
REAL = os.environ.get("SAMR_REAL_DATA")


def _brain():
    x, y, z = (
        np.indices((28, 32, 24)) - np.array([13.5, 15.5, 11.5])[:, None, None, None]
    )
    return (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1


def _write_subject(root, name, seed):
    rng = np.random.default_rng(seed)
    brain = _brain()
    seg = np.zeros(brain.shape, np.uint8)
    seg[10:16, 12:18, 8:14] = 2
    seg[11:15, 13:17, 9:13] = 4
    seg[12:14, 14:16, 10:12] = 1
    for suffix in SUFFIXES:
        image = brain * rng.integers(100, 1000, brain.shape)
        write_volume(root / name / f"{name}_{suffix}.nii.gz", image, AFFINE)
    write_volume(root / name / f"{name}_seg.nii.gz", seg, AFFINE)


@pytest.fixture
def raw(tmp_path):
    for i in range(4):
        _write_subject(tmp_path / "raw", f"p{i}", seed=i)
    return tmp_path / "raw"


def _prepare(raw, output, lines=None, **options):
    log = (lambda _: None) if lines is None else lines.append
    options = {"size": 32, "slice_spacing": 4.0, "workers": 1, "log": log, **options}
    return prepare(raw, output, **options)


def test_dataset_holds_the_subjects(raw, tmp_path):
    lines = []
    dataset = _prepare(raw, tmp_path / "out", lines)
    assert "4 subjects of layout brats2021" in lines[0]
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w", "FLAIR")
    assert [len(dataset.splits[s]) for s in ("train", "val", "test")] == [2, 1, 1]
    assert dataset.grid.spacing == pytest.approx((1, 1, 4))
    train = dataset.split("train")
    labels = np.stack([train[i]["labels"] for i in range(len(train))])
    assert set(np.unique(labels)) == {0, NORMAL, EDEMA, CAVITY, TUMOR}
    assert len(train) == 2 * dataset.grid.slices
    assert not dataset.simulated


def test_dataset_does_not_name_patients_unless_asked(raw, tmp_path):
    _prepare(raw, tmp_path / "out")
    _prepare(raw, tmp_path / "named", keep_names=True)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or not any(
            f"p{i}_" in path.read_bytes().decode("latin-1") for i in range(4)
        )
    assert "p0" in (tmp_path / "named" / "dataset.json").read_text()
    key = (tmp_path / "out.work" / "names.csv").read_text().splitlines()
    assert key[1] == "sub-0001_ses-01,p0"


def test_same_seed_gives_the_same_dataset_and_another_the_same_subjects(raw, tmp_path):
    first = _prepare(raw, tmp_path / "a")
    again = _prepare(raw, tmp_path / "b", workers=2)
    assert first.content_hash == again.content_hash
    other = {_prepare(raw, tmp_path / f"s{s}", seed=s).splits["test"] for s in range(4)}
    assert len(other) > 1


def _cut(raw, name):
    path = raw / name / f"{name}_t2.nii.gz"
    path.write_bytes(path.read_bytes()[:1000])
    return path


def test_broken_subject_is_told_and_leaves_the_others_alone(raw, tmp_path):
    whole = _prepare(raw, tmp_path / "whole").splits
    lost = whole["train"][0]
    bad = _cut(raw, f"p{int(lost[4:8]) - 1}")
    lines = []
    dataset = _prepare(raw, tmp_path / "out", lines)
    assert any(line.startswith(f"left out: {bad}: unreadable") for line in lines)
    for split, names in dataset.splits.items():
        assert set(names) == set(whole[split]) - {lost}


def test_losing_the_only_test_subject_draws_anew(raw, tmp_path):
    lost = _prepare(raw, tmp_path / "whole").splits["test"][0]
    _cut(raw, f"p{int(lost[4:8]) - 1}")
    splits = _prepare(raw, tmp_path / "out").splits
    assert len(splits["train"]) == 2 and len(splits["test"]) == 1
    assert lost not in [name for names in splits.values() for name in names]


def test_second_run_goes_on_from_the_first(raw, tmp_path, monkeypatch):
    bad = raw / "p3" / "p3_t2.nii.gz"
    bad.rename(bad.with_suffix(".away"))
    _prepare(raw, tmp_path / "out", sequences=["T1w", "T2w"])
    bad.with_suffix(".away").rename(bad)
    os.rename(tmp_path / "out", tmp_path / "first")
    made = []
    from samr_jax.prepare import pipeline

    original = pipeline.prepare_subject
    monkeypatch.setattr(
        pipeline,
        "prepare_subject",
        lambda raw, **options: made.append(raw.name) or original(raw, **options),
    )
    dataset = _prepare(raw, tmp_path / "out", sequences=["T1w", "T2w"])
    assert made == ["p3"]
    assert sum(map(len, dataset.splits.values())) == 4


def test_sequence_that_one_subject_lacks_is_left_out_and_told(raw, tmp_path):
    (raw / "p1" / "p1_flair.nii.gz").unlink()
    lines = []
    dataset = _prepare(raw, tmp_path / "out", lines)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w")
    told = [line for line in lines if "FLAIR is left out" in line]
    assert len(told) == 1 and "p1_flair.nii.gz" in told[0]


def test_different_grids_of_one_subject_name_both_files(raw, tmp_path):
    for i in range(4):
        write_volume(raw / f"p{i}" / f"p{i}_t2.nii.gz", np.ones((8, 8, 8)), AFFINE)
    with pytest.raises(
        InputError, match=r"p0_t2.nii.gz: grid 8 x 8 x 8 .*p0_t1.nii.gz"
    ):
        _prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_label_value_names_the_file(raw, tmp_path):
    with pytest.raises(InputError, match=r"p0_seg.nii.gz: label value 4 is not named"):
        _prepare(raw, tmp_path / "out", labels="brats2023")


def test_head_with_skull_is_refused(raw, tmp_path):
    for i in range(4):
        write_volume(raw / f"p{i}" / f"p{i}_t1.nii.gz", np.ones((28, 32, 24)), AFFINE)
    with pytest.raises(InputError, match=r"expected a skull-stripped brain"):
        _prepare(raw, tmp_path / "out")


def test_other_dataset_is_not_overwritten(raw, tmp_path):
    _prepare(raw, tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        _prepare(raw, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="SAMR_REAL_DATA names no folder")
def test_real_patients(tmp_path):
    dataset = _prepare(Path(REAL) / "brats2021", tmp_path / "out", size=64, workers=2)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w", "FLAIR")
    assert [len(dataset.splits[s]) for s in ("train", "val", "test")] == [2, 0, 1]
    assert dataset.grid.spacing == pytest.approx((3.75, 3.75, 4.0))
    assert 25 <= dataset.grid.slices <= 40
    test = dataset.split("test")
    slices = [test[i] for i in range(len(test))]
    labels = np.stack([s["labels"] for s in slices])
    t1c = np.stack([s["images"][..., 1] for s in slices]).astype(float)
    brain_ml = np.count_nonzero(labels) * np.prod(dataset.grid.spacing) / 1000
    assert 900 < brain_ml < 2000
    assert (
        t1c[labels == TUMOR].mean() > 1.3 * t1c[labels == NORMAL].mean() + 0.3 * 32767
    )
