"""The whole preparation of small co-registered subjects."""

import contextlib
import dataclasses
import json
import os
import resource
import shutil
from hashlib import sha256
from unittest import mock

import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.data.nifti import write_volume
from samr_jax.inference.native_space import native_space
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.prepare import pipeline
from samr_jax.prepare.cohort import jobs
from samr_jax.prepare.find.identical_scans import check_patients_differ
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.grids import Target
from samr_jax.prepare.options import Steps
from samr_jax.runtime.errors import InputError
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


def prepare_small(raw, output, lines=None, *, page=False, **options):
    """Prepares small subjects; the quality page takes most of the time, and is drawn
    only where a test looks at it."""
    log = (lambda _: None) if lines is None else lines.append
    plain = {"steps": PLAIN, "workers": 1, "target": TARGET}
    drawn = contextlib.nullcontext()
    if not page:
        drawn = mock.patch.object(pipeline, "write_page")
    with drawn:
        return pipeline.prepare(raw, output, log=log, **{**plain, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The dataset of four undamaged subjects, its folder, and what was logged."""
    folder = tmp_path_factory.mktemp("whole")
    for index in range(4):
        write_subject(folder / "raw", index)
    lines = []
    dataset = prepare_small(folder / "raw", folder / "out", lines, page=True)
    return dataset, folder, lines


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
    t1 = scan_file(folder / "raw", 0, "t1").read_bytes()
    assert records["sub-0001_ses-01"]["sha256"]["T1w"] == sha256(t1).hexdigest()


def test_other_dataset_is_not_overwritten(whole):
    _, folder, _ = whole
    with pytest.raises(InputError, match="exists already"):
        prepare_small(folder / "raw", folder / "out")


def test_broken_subject_is_told_and_leaves_the_others_alone(whole, raw, tmp_path):
    lost = whole[0].splits["train"][0]
    bad = scan_file(raw, _source(lost), "t2")
    bad.write_bytes(bad.read_bytes()[:1000])
    lines = []
    dataset = prepare_small(raw, tmp_path / "out", lines)
    assert any(f"left out: smith{_source(lost)}: {bad}: unread" in li for li in lines)
    # The reason is told at the time, and again at the end with the page of pictures.
    told = [i for i, line in enumerate(lines) if f"smith{_source(lost)}: " in line]
    assert [lines[i].split(":")[0] for i in told] == ["failed", "left out"]
    assert lines[-2] == f"pictures of the subjects left out: {_failed_page(tmp_path)}"
    assert lines[-1].split(": ")[1].startswith("1 train, 1 val, 1 test, 1 left out;")
    for split, names in dataset.splits.items():
        assert set(names) == set(whole[0].splits[split]) - {lost}


def _failed_page(folder):
    return folder / "out.work" / "failed" / "index.html"


def test_failures_are_told_when_too_few_subjects_are_left(raw, tmp_path):
    """Two patients have an empty T2w and one lies elsewhere, so that one is left."""
    for index, dtype in enumerate((np.uint8, np.float32)):
        write_volume(scan_file(raw, index, "t2"), np.zeros(SHAPE, dtype), AFFINE)
    affine = AFFINE.copy()
    affine[:3, 3] += 500
    for suffix in (*SUFFIXES, "seg"):
        write_volume(scan_file(raw, 2, suffix), np.ones(SHAPE), affine)
    lines = []
    words = "1 of 4 subjects could be prepared: .*hold 1 patient.*expected two or more"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out", lines, labels="1:tumor,2:edema,4:tumor")
    for start in ("failed: ", "left out: "):
        told = "\n".join(line for line in lines if line.startswith(start))
        assert all(f"{start}smith{index}: " in told for index in (0, 1, 2))
        assert told.count("every voxel is zero, expected an image [step: reading]") == 2
    page = _failed_page(tmp_path).read_text()
    assert all(
        f"smith{index} (sub-000{index + 1}_ses-01)" in page for index in range(3)
    )
    assert "Step: reading" in page and "Step: final checks" in page
    # Only the third subject was read, so that there is a picture of it.
    assert [p.name for p in _failed_page(tmp_path).parent.glob("*.png")] == [
        "sub-0003_ses-01.png"
    ]


def test_quality_page_names_the_step_but_not_the_file(whole, raw, tmp_path):
    lost = whole[0].splits["train"][0]
    scan_file(raw, _source(lost), "t2").write_bytes(b"")
    dataset = prepare_small(raw, tmp_path / "out", page=True)
    page = (dataset.directory / "qc" / "index.html").read_text()
    assert f"<li>{lost}: reading</li>" in page and "smith" not in page


def test_losing_the_only_test_subject_draws_anew(whole, raw, tmp_path):
    lost = whole[0].splits["test"][0]
    scan_file(raw, _source(lost), "t2").write_bytes(b"")
    splits = prepare_small(raw, tmp_path / "out").splits
    assert len(splits["train"]) == 2 and len(splits["test"]) == 1
    assert lost not in sum(splits.values(), ())


def test_second_run_goes_on_from_the_first(raw, tmp_path, monkeypatch):
    bad = scan_file(raw, 3, "t2")
    bad.rename(tmp_path / "away")
    wanted = {"sequences": ["T1w", "T2w"], "keep_names": True}
    prepare_small(raw, tmp_path / "out", **wanted)
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
    # One of the cached results does not survive, either.
    damaged = sorted((tmp_path / "out.work" / "subjects").iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:500])
    dataset = prepare_small(raw, tmp_path / "out", **wanted)
    assert len(made) == 2 and "smith3" in made
    assert set(sum(dataset.splits.values(), ())) == {f"smith{i}" for i in range(4)}


def test_sequence_that_one_subject_lacks_is_left_out_and_told(raw, tmp_path):
    scan_file(raw, 1, "flair").unlink()
    lines = []
    dataset = prepare_small(raw, tmp_path / "out", lines)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w")
    told = [line for line in lines if "FLAIR is left out" in line]
    assert len(told) == 1 and "smith1_flair.nii.gz" in told[0]


def test_subjects_that_lack_a_sequence_are_kept_for_a_further_dataset(raw, tmp_path):
    """It is the dataset that a run with these sequences alone makes."""
    scan_file(raw, 1, "flair").unlink()
    lines = []
    main = prepare_small(
        raw, tmp_path / "out", lines, sequences=SEQUENCES, also=[["T1w", "T2w"]]
    )
    further = open_dataset(tmp_path / "out_T1w_T2w")
    alone = prepare_small(raw, tmp_path / "alone", sequences=["T1w", "T2w"])
    assert further.sequences == ("T1w", "T2w")
    assert further.content_hash == alone.content_hash
    assert further.provenance["sequences"] == alone.provenance["sequences"]
    lost = {"sub-0002_ses-01"}
    for part, names in further.splits.items():
        assert set(main.splits[part]) == set(names) - lost
    words = "that lack one of T1w, Gd-T1w, T2w, FLAIR: sub-0002_ses-01"
    assert [line for line in lines if line.endswith(words)]


def test_a_subject_without_enough_sequences_is_told(raw, tmp_path):
    scan_file(raw, 1, "t2").unlink()
    lines = []
    wanted = {"sequences": SEQUENCES, "also": [["T1w", "T2w"]]}
    prepare_small(raw, tmp_path / "out", lines, **wanted)
    assert [line for line in lines if line.startswith("left out: smith1: T2w is miss")]
    with pytest.raises(InputError, match="also T1w: another dataset has just these"):
        prepare_small(raw, tmp_path / "x", **wanted | {"also": [["T1w"], ["T1w"]]})


def test_different_grids_of_one_subject_name_both_files(raw, tmp_path):
    for index in range(4):
        write_volume(scan_file(raw, index, "t2"), np.full((8, 8, 8), index + 1), AFFINE)
    words = r"smith0_t2.nii.gz: grid 8 x 8 x 8 .*smith0_t1.nii.gz"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_label_value_names_thescan_file(raw, tmp_path):
    words = r"smith0_seg.nii.gz: label value 4 is not named"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out", labels="brats2023")


def test_head_with_skull_is_refused_where_stripping_is_off(raw, tmp_path):
    affine = AFFINE @ np.diag([10, 10, 10, 1])
    for index in range(4):
        for suffix in (*SUFFIXES, "seg"):
            level = 1 if suffix == "seg" else index + 1
            head = np.full((24, 24, 24), level)
            write_volume(scan_file(raw, index, suffix), head, affine)
    steps = Steps(strip="off", bias="off", tissue="off")
    with pytest.raises(InputError, match="more voxels are not zero than a brain"):
        prepare_small(raw, tmp_path / "out", labels="1:tumor", steps=steps)


def test_wrong_choices_are_refused(raw, tmp_path):
    with pytest.raises(InputError, match="step bias: 'yes', expected auto, on, off"):
        Steps(bias="yes")
    wrong = {
        "atlas 'median', expected one of auto": {"atlas": "median"},
        "slices 7, expected 1 to 6, the height": {"target": Target(32, None, 4.0, 7)},
        "workers 0, expected -1 for one a core": {"workers": 0},
        "split .*, expected three shares": {"split": ("0.9", "some", "0.1")},
    }
    for words, option in wrong.items():
        with pytest.raises(InputError, match=words):
            prepare_small(raw, tmp_path / "out", **option)
    # Every error came before the first subject was read.
    assert not (tmp_path / "out.work" / "subjects").exists()


def test_single_patient_cannot_be_split(raw, tmp_path):
    shutil.move(raw / "smith2", tmp_path / "alone" / "smith2")
    with pytest.raises(InputError, match=r"hold 1 patient.*expected two or more"):
        prepare_small(tmp_path / "alone", tmp_path / "out")


def test_one_scan_of_two_patients_is_refused_at_once(raw, tmp_path):
    """Otherwise a patient could be in training and in test."""
    first, second = scan_file(raw, 1, "flair"), scan_file(raw, 3, "flair")
    shutil.copy(first, second)
    words = f"{second}: has the same content as {first}, .* patients smith3 and smith1"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out")
    assert not (tmp_path / "out.work").exists()


def test_one_scan_of_one_patient_is_allowed(raw):
    """The manifest says that two subjects are one patient."""
    shutil.copy(scan_file(raw, 1, "flair"), scan_file(raw, 3, "flair"))
    rows = [f"smith{i},smith{min(i, 1)},{scan_file(raw, i, 'flair')}," for i in (1, 3)]
    (raw / "manifest.csv").write_text(
        "\n".join(["subject,patient,FLAIR,labels", *rows])
    )
    found = find_subjects(raw / "manifest.csv")
    check_patients_differ(found.subjects, ["FLAIR"])
    other = dataclasses.replace(found.subjects[1], patient="smith3")
    with pytest.raises(InputError, match="patients smith3 and smith1"):
        check_patients_differ([found.subjects[0], other], ["FLAIR"])


@contextlib.contextmanager
def _largest_file(size):
    """Makes writing fail after `size` bytes of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_nothing_half_written(whole, tmp_path):
    """The disk is full at the subjects, the records and the quality page, then not."""
    raw, output = whole[1] / "raw", tmp_path / "out"
    for size, place in ((1_000, "subjects/.*npz"), (1e5, "dataset"), (1.4e5, "qc/")):
        words = f"out.work/.*{place}.*: cannot be written .*File too large"
        with _largest_file(int(size)), pytest.raises(InputError, match=words):
            prepare_small(raw, output, page=True)
        assert [path.name for path in tmp_path.iterdir()] == ["out.work"]
        assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert prepare_small(raw, output, page=True).content_hash == whole[0].content_hash


def test_dataset_goes_back_to_the_native_grid(whole):
    dataset, _, _ = whole
    native = native_space(dataset, "sub-0001_ses-01", "T1w")
    assert native.shape == SHAPE and native.recorded
    z, y, x = np.indices((dataset.grid.slices, 32, 32))
    world = np.stack([x, y, z], -1) @ dataset.grid.affine[:3, :3].T
    ramp = (world + dataset.grid.affine[:3, 3]) @ [1.0, 2.0, 3.0] + 500
    everywhere = np.ones(ramp.T.shape, bool)
    back = native.carry_image(ramp.T, everywhere, dataset.grid.affine)
    index = np.stack(np.indices(SHAPE), -1)
    expected = (index @ AFFINE[:3, :3].T + AFFINE[:3, 3]) @ [1.0, 2.0, 3.0] + 500
    # Beyond the centres of the outer slices the nearest value is continued.
    middle = np.s_[2:-2, :, 6:-6]
    np.testing.assert_allclose(back[middle], expected[middle], atol=1e-2)
    with pytest.raises(InputError, match="no scan T1w of subject 'nobody'"):
        native_space(dataset, "nobody", "T1w")
