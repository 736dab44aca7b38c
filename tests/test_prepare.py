"""Small co-registered subjects through the whole preparation."""

import contextlib
import json
import os
import resource
import shutil
from hashlib import sha256

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.nifti import write_volume
from samr_jax.errors import InputError
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.prepare import jobs
from samr_jax.prepare.grids import Target
from samr_jax.prepare.inverse import native_space
from samr_jax.prepare.layouts import find_subjects
from samr_jax.prepare.pipeline import prepare
from samr_jax.prepare.planning import make_plan
from samr_jax.prepare.steps import Steps

AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 31], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (28, 32, 24)
SUFFIXES = ("t1", "t1ce", "t2", "flair")
SEQUENCES = ("T1w", "Gd-T1w", "T2w", "FLAIR")
PLAIN = Steps(bias="off", tissue="off")
TARGET = Target(size=32, slice_spacing=4.0)


def _file(root, index, suffix):
    return root / f"smith{index}" / f"smith{index}_{suffix}.nii.gz"


def write_subject(root, index):
    rng = np.random.default_rng(index)
    middle = (np.array(SHAPE) - 1)[:, None, None, None] / 2
    x, y, z = np.indices(SHAPE) - middle
    brain = (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1
    seg = np.zeros(SHAPE, np.uint8)
    seg[10:16, 12:18, 8:14] = 2
    seg[11:15, 13:17, 9:13] = 4
    seg[12:14, 14:16, 10:12] = 1
    for suffix in SUFFIXES:
        image = brain * rng.integers(100, 1000, SHAPE).astype(np.int16)
        _write_named(_file(root, index, suffix), image)
    write_volume(_file(root, index, "seg"), seg, AFFINE)


def _write_named(path, image):
    """A scan as converters write it, with the patient's name in the header."""
    volume = nib.Nifti1Image(image, AFFINE)
    volume.header["descrip"] = b"smith, john"
    volume.header["aux_file"] = b"smith.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(volume, path)


def prepare_small(raw, output, lines=None, **options):
    log = (lambda _: None) if lines is None else lines.append
    plain = {"steps": PLAIN, "workers": 1, "target": TARGET}
    return prepare(raw, output, log=log, **{**plain, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Four sound subjects, their dataset and what was said."""
    folder = tmp_path_factory.mktemp("whole")
    for index in range(4):
        write_subject(folder / "raw", index)
    lines = []
    return prepare_small(folder / "raw", folder / "out", lines), folder, lines


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
    t1 = _file(folder / "raw", 0, "t1").read_bytes()
    assert records["sub-0001_ses-01"]["sha256"]["T1w"] == sha256(t1).hexdigest()


def test_other_dataset_is_not_overwritten(whole):
    _, folder, _ = whole
    with pytest.raises(InputError, match="exists already"):
        prepare_small(folder / "raw", folder / "out")


def test_broken_subject_is_told_and_leaves_the_others_alone(whole, raw, tmp_path):
    lost = whole[0].splits["train"][0]
    bad = _file(raw, _source(lost), "t2")
    bad.write_bytes(bad.read_bytes()[:1000])
    lines = []
    dataset = prepare_small(raw, tmp_path / "out", lines)
    assert any(f"left out: smith{_source(lost)}: {bad}: unread" in li for li in lines)
    assert lines[-2].startswith(f"left out: smith{_source(lost)}: ")
    assert lines[-1].split(": ")[1].startswith("1 train, 1 val, 1 test, 1 left out;")
    for split, names in dataset.splits.items():
        assert set(names) == set(whole[0].splits[split]) - {lost}


def test_losing_the_only_test_subject_draws_anew(whole, raw, tmp_path):
    lost = whole[0].splits["test"][0]
    _file(raw, _source(lost), "t2").write_bytes(b"")
    splits = prepare_small(raw, tmp_path / "out").splits
    assert len(splits["train"]) == 2 and len(splits["test"]) == 1
    assert lost not in sum(splits.values(), ())


def test_second_run_goes_on_from_the_first(raw, tmp_path, monkeypatch):
    bad = _file(raw, 3, "t2")
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
    _file(raw, 1, "flair").unlink()
    lines = []
    dataset = prepare_small(raw, tmp_path / "out", lines)
    assert dataset.sequences == ("T1w", "Gd-T1w", "T2w")
    told = [line for line in lines if "FLAIR is left out" in line]
    assert len(told) == 1 and "smith1_flair.nii.gz" in told[0]


def test_different_grids_of_one_subject_name_both_files(raw, tmp_path):
    for index in range(4):
        write_volume(_file(raw, index, "t2"), np.ones((8, 8, 8)), AFFINE)
    words = r"smith0_t2.nii.gz: grid 8 x 8 x 8 .*smith0_t1.nii.gz"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_label_value_names_the_file(raw, tmp_path):
    words = r"smith0_seg.nii.gz: label value 4 is not named"
    with pytest.raises(InputError, match=words):
        prepare_small(raw, tmp_path / "out", labels="brats2023")


def test_head_with_skull_is_refused_where_stripping_is_off(raw, tmp_path):
    affine = AFFINE @ np.diag([10, 10, 10, 1])
    for index in range(4):
        for suffix in (*SUFFIXES, "seg"):
            write_volume(_file(raw, index, suffix), np.ones((24, 24, 24)), affine)
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
    # All that is told before the first subject is read.
    assert not (tmp_path / "out.work" / "subjects").exists()


def test_single_patient_cannot_be_split(raw, tmp_path):
    shutil.move(raw / "smith2", tmp_path / "alone" / "smith2")
    with pytest.raises(InputError, match=r"hold 1 patient.*expected two or more"):
        prepare_small(tmp_path / "alone", tmp_path / "out")


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
def plan(whole):
    """What the subjects of `whole` have in common."""
    found = find_subjects(whole[1] / "raw")
    return make_plan(
        found,
        PLAIN,
        sequences=SEQUENCES,
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
def test_damage_is_told_in_one_line(raw, plan, tmp_path, suffix, damage, reason):
    path = _file(raw, 1, suffix)
    damage(path, nib.load(path))
    subjects = find_subjects(raw).subjects
    job = jobs.make_jobs(subjects, plan, tmp_path / "work", keep_names=False)[1]
    told = job.run()
    assert told.startswith(f"smith1: {reason.format(path)}") and "\n" not in told
    assert not list(tmp_path.glob("work/subjects/*"))


def test_subject_that_lies_elsewhere_fails_alone(raw, plan, tmp_path):
    affine = AFFINE.copy()
    affine[:3, 3] += 500
    for suffix in (*SUFFIXES, "seg"):
        image = nib.load(_file(raw, 1, suffix))
        nib.save(
            nib.Nifti1Image(np.asarray(image.dataobj), affine), image.get_filename()
        )
    subjects = find_subjects(raw).subjects
    job = jobs.make_jobs(subjects, plan, tmp_path / "work", keep_names=False)[1]
    assert "smith1: no slice of the dataset's grid shows brain" in job.run()


@contextlib.contextmanager
def _largest_file(size):
    """As on a full disk, writing fails after so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_nothing_half_written(whole, tmp_path):
    """Full at the subjects, the records and the quality page: then there is space."""
    raw, output = whole[1] / "raw", tmp_path / "out"
    for size, place in ((1_000, "subjects/.*npz"), (1e5, "dataset"), (1.4e5, "qc/")):
        words = f"out.work/.*{place}.*: cannot be written .*File too large"
        with _largest_file(int(size)), pytest.raises(InputError, match=words):
            prepare_small(raw, output)
        assert [path.name for path in tmp_path.iterdir()] == ["out.work"]
        assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert prepare_small(raw, output).content_hash == whole[0].content_hash


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
    # Beyond the last slices' centres the nearest value is continued.
    middle = np.s_[2:-2, :, 6:-6]
    np.testing.assert_allclose(back[middle], expected[middle], atol=1e-2)
    with pytest.raises(InputError, match="no scan T1w of subject 'nobody'"):
        native_space(dataset, "nobody", "T1w")
