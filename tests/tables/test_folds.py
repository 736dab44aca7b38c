"""Cross-validation by patient: who is tested when, and what is fitted to whom."""

import dataclasses

import numpy as np
import pytest

from samr_jax.data.atlas import group_average
from samr_jax.data.stacks import Stacks
from samr_jax.data.window import STORED_SCALE
from samr_jax.prepare.subject.landmarks import landmarks, piecewise_linear
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json
from samr_jax.tables.folds import fold_dataset, fold_splits


@pytest.mark.parametrize("folds", [2, 5])
def test_every_patient_is_tested_once_and_sessions_stay_together(folds):
    names = [f"sub-{i:04d}_ses-{v:02d}" for i in range(11) for v in (1, 2)[: 1 + i % 2]]
    patient_of = {name: name.split("_")[0] for name in names}
    splits = fold_splits(patient_of, folds, seed=3)
    assert len(splits) == folds
    tested = [name for split in splits for name in split["test"]]
    assert sorted(tested) == sorted(names)
    for split in splits:
        assert sorted(n for part in split.values() for n in part) == sorted(names)
        patients = [{patient_of[n] for n in split[s]} for s in ("train", "val", "test")]
        assert len(set.union(*patients)) == sum(map(len, patients))
        assert len(patients[1]) == 1
        assert abs(len(patients[2]) - 11 / folds) < 1
    assert splits == fold_splits(dict(reversed(patient_of.items())), folds, seed=3)
    assert len({split["val"] for split in splits}) == folds


@pytest.mark.parametrize("folds", [1, 4])
def test_impossible_numbers_of_folds_are_refused(folds):
    with pytest.raises(InputError, match=f"--folds={folds}, expected 2 to 3"):
        fold_splits({"a": "a", "b": "b", "c": "c", "d": "c"}, folds)


def test_fewer_training_patients_are_part_of_more_and_change_nothing_else():
    patient_of = {
        f"{patient}-{scan}": patient for patient in "abcdefghi" for scan in "12"
    }
    whole = fold_splits(patient_of, 3, seed=1)
    few, fewer = (fold_splits(patient_of, 3, seed=1, train_patients=n) for n in (4, 2))
    for larger, smaller, patients in ((whole, few, 4), (few, fewer, 2)):
        for old, new in zip(larger, smaller, strict=True):
            assert (old["val"], old["test"]) == (new["val"], new["test"])
            assert set(new["train"]) < set(old["train"])
            assert len({patient_of[name] for name in new["train"]}) == patients
            assert len(new["train"]) == 2 * patients  # both scans of each


@pytest.mark.parametrize("count", [0, 6])
def test_impossible_numbers_of_training_patients_are_refused(count):
    patient_of = {name: name for name in "abcdefghi"}
    message = (
        f"--train_patients={count}, expected 1 to 5, the training patients of fold 0"
    )
    with pytest.raises(InputError, match=message):
        fold_splits(patient_of, 3, train_patients=count)


def all_subjects(dataset):
    return [name for names in dataset.splits.values() for name in names]


def stack_of(dataset, name):
    """A subject of any split."""
    (split,) = [s for s, names in dataset.splits.items() if name in names]
    return Stacks(dataset, split)[name]


def test_a_fold_is_fitted_to_its_training_patients_alone(dataset, tmp_path):
    parts = [
        fold_dataset(dataset, tmp_path / f"{k}", fold=k, folds=2) for k in range(2)
    ]
    tested = [name for part in parts for name in part.splits["test"]]
    assert sorted(tested) == sorted(all_subjects(dataset))
    for part in parts:
        stacks = Stacks(part, "train")
        average, coverage = group_average((s.images, s.labels) for s in stacks)
        np.testing.assert_allclose(part.atlas, average, atol=1e-3)
        np.testing.assert_array_equal(part.brain, coverage >= 0.5)
        assert not np.allclose(part.atlas, dataset.atlas, atol=0.05)


def test_the_recorded_patient_counts_and_is_recorded_again(dataset, tmp_path):
    """The names of the subjects do not tell that two of them are one patient."""
    first, second, *others = all_subjects(dataset)
    one = {name: name for name in others} | {first: "one", second: "one"}
    known = dataclasses.replace(dataset, patients=one)
    for fold in range(2):
        part = fold_dataset(known, tmp_path / f"{fold}", fold=fold, folds=2)
        assert part.patients == one
        assert [{first, second} <= set(s) for s in part.splits.values()].count(True)


def test_nothing_is_fitted_to_patients_that_are_left_out(dataset, tmp_path):
    part = fold_dataset(dataset, tmp_path / "f", fold=0, folds=3, train_patients=1)
    (trained,) = part.splits["train"]
    left_out = set(all_subjects(dataset)) - set(all_subjects(part))
    assert left_out
    stack = stack_of(dataset, trained)
    average, _ = group_average([(stack.images, stack.labels)])
    known = stack.labels > 0
    np.testing.assert_allclose(part.atlas[known], average[known], atol=0.05)
    with pytest.raises(InputError, match="or training patients, expected another"):
        fold_dataset(dataset, tmp_path / "f", fold=0, folds=3)


def test_a_fold_keeps_the_images_and_labels_of_its_patients(dataset, tmp_path):
    part = fold_dataset(dataset, tmp_path / "f", fold=1, folds=2)
    for name in part.splits["test"]:
        old, new = stack_of(dataset, name), stack_of(part, name)
        np.testing.assert_array_equal(new.labels, old.labels)
        np.testing.assert_array_equal(new.tissue, old.tissue)
        before = dataset.restore(name, old.images)[old.labels > 0]
        after = part.restore(name, new.images)[old.labels > 0]
        # The window's end is a percentile of values that were clipped by the old one.
        reach = max(w.high - w.low for w in dataset.subject_windows[name].values())
        assert np.quantile(np.abs(after - before), 0.99) < 4 * reach / STORED_SCALE


def test_a_fold_is_made_once_and_never_of_another_dataset(dataset, tmp_path):
    first = fold_dataset(dataset, tmp_path / "f", fold=0, folds=2)
    again = fold_dataset(dataset, tmp_path / "f", fold=0, folds=2)
    assert again.content_hash == first.content_hash
    with pytest.raises(InputError, match="fold of another dataset or number of folds"):
        fold_dataset(dataset, tmp_path / "f", fold=0, folds=3)
    other = dataclasses.replace(dataset, content_hash="another")
    with pytest.raises(InputError, match="expected another --workdir"):
        fold_dataset(other, tmp_path / "f", fold=0, folds=2)


def test_the_standard_scale_is_fitted_again(dataset, tmp_path):
    """Scans go back to their own unit and on to the scale of the fold's training."""
    pytest.importorskip("intensity_normalization")
    marks, scale = {}, np.linspace(1, 100, 11)
    rng = np.random.default_rng(0)
    for name in all_subjects(dataset):
        steps = rng.uniform(1, 9, 11).cumsum()
        marks[name] = {
            "scans": {},
            "sha256": {},
            "landmarks": {"T1w": steps.tolist()},
        }
    home = tmp_path / "prepared"
    home.mkdir()
    for path in dataset.directory.iterdir():
        (home / path.name).symlink_to(path)
    write_json(home / "subjects.json", marks)
    standardised = dataclasses.replace(
        dataset,
        directory=home,
        subject_windows={},
        provenance={"standard": {"scales": {"T1w": scale.tolist()}}},
    )
    part = fold_dataset(standardised, tmp_path / "fold", fold=0, folds=2)
    fitted = np.array(part.provenance["standard"]["scales"]["T1w"])
    own = []
    for name in part.splits["train"]:
        stack = stack_of(standardised, name)
        image = standardised.restore(name, stack.images)[..., 0]
        image[stack.labels == 0] = 0
        image = piecewise_linear(
            image, scale, np.array(marks[name]["landmarks"]["T1w"])
        )
        found = landmarks(image[(stack.labels == 1) & (image != 0)], source="")
        own.append(1 + 99 * (found - found[0]) / (found[-1] - found[0]))
    np.testing.assert_allclose(fitted, np.mean(own, axis=0), rtol=1e-3)
