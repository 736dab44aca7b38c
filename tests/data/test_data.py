"""Labels, windows, atlas, datasets and batches."""

import dataclasses
import functools
import json
import tempfile

import numpy as np
import pytest

from samr_jax import labels
from samr_jax.data.atlas import group_average, stack_neighbours
from samr_jax.data.batches.mirrored import WithMirrored
from samr_jax.data.batches.paired import Batches
from samr_jax.data.dataset import DESCRIPTION, open_dataset
from samr_jax.data.window import Window, fit_window, pack, unpack
from samr_jax.data.write import write_dataset
from samr_jax.methods.batch import decode
from samr_jax.runtime.errors import InputError
from tests.tiny import GRID, SEQUENCES, blob_subject, tiny_dataset


@pytest.mark.parametrize(
    "name, source, expected",
    [
        ("brats2021", [0, 1, 2, 4], [0, 3, 2, 4]),
        ("brats2021-necrosis-as-tumor", [0, 1, 2, 4], [0, 4, 2, 4]),
        ("brats2023", [0, 1, 2, 3], [0, 3, 2, 4]),
        ("brats2024", [0, 1, 2, 3, 4], [0, 3, 2, 4, 3]),
    ],
)
def test_presets(name, source, expected):
    found = labels.remap(np.array(source), labels.preset(name), source="seg.nii")
    assert found.tolist() == expected and found.dtype == np.uint8


def test_unknown_labels_name_file_and_value():
    with pytest.raises(InputError, match=r"seg\.nii: label value 4 is not named"):
        labels.remap(np.array([0, 4]), labels.preset("brats2023"), source="seg.nii")
    with pytest.raises(InputError, match="label preset 'brats1999' is unknown"):
        labels.preset("brats1999")


def test_window_is_invertible_and_signed_for_aptw():
    window = Window(0.0, 800.0)
    values = np.linspace(0, 800, 7)
    np.testing.assert_allclose(window.restore(window.normalise(values)), values, 1e-5)
    assert window.normalise(np.array([-5, 900.0])).tolist() == [-1, 1]
    anything = np.random.default_rng(0).normal(0, 3, 50)
    assert fit_window("APTw", anything, anything > 9) == Window(-5.0, 5.0)
    with pytest.raises(InputError, match=r"intensity window \[1, 1\]"):
        Window(1.0, 1.0)


def test_packing_keeps_network_intensity():
    values = np.linspace(-1, 1, 999, dtype=np.float32)
    np.testing.assert_allclose(unpack(pack(values)), values, atol=2e-5)


def test_neighbours_are_sequence_major_and_ends_repeat():
    volume = np.arange(3 * 2).reshape(3, 1, 1, 2) * np.ones((1, 4, 4, 1))
    stacked = stack_neighbours(volume)
    assert stacked.shape == (3, 4, 4, 6)
    assert stacked[0, 0, 0].tolist() == [0, 0, 2, 1, 1, 3]
    assert stacked[1, 0, 0].tolist() == [0, 2, 4, 1, 3, 5]
    assert stacked[2, 0, 0].tolist() == [2, 4, 4, 3, 5, 5]


def test_group_average_leaves_lesions_out():
    images = np.array([1.0, 2.0, 9.0]).reshape(3, 1, 1, 1, 1)
    codes = np.array([1, 1, 4]).reshape(3, 1, 1, 1)
    average, coverage = group_average(zip(images, codes, strict=True))
    assert average.item() == 1.5 and coverage.item() == 1.0
    everywhere, _ = group_average([(images[2], codes[2])])
    assert everywhere.item() == 9.0


def test_dataset_holds_the_subjects(dataset):
    subject = blob_subject(0)
    split = next(name for name, items in dataset.splits.items() if "blob-0" in items)
    own = [item for item in dataset.split(split) if item["subject"] == "blob-0"]
    assert [item["slice"] for item in own] == [0, 1, 2]
    expected = dataset.normalise("blob-0", subject.images)
    for z, item in enumerate(own):
        np.testing.assert_array_equal(item["labels"], subject.labels[z])
        np.testing.assert_allclose(unpack(item["images"]), expected[z], atol=2e-5)
        np.testing.assert_allclose(item["tissue"] / 255, subject.tissue[z], atol=2e-3)
        assert item["atlas"].shape == (32, 32, 6)
    np.testing.assert_allclose(
        dataset.restore("blob-0", expected)[..., 0],
        subject.images[..., 0],
        rtol=1e-3,
        atol=5,
    )


def test_atlas_is_of_the_training_subjects(dataset):
    train = [blob_subject(int(name[-1])) for name in dataset.splits["train"]]
    expected, coverage = group_average(
        (dataset.normalise(s.name, s.images), s.labels) for s in train
    )
    np.testing.assert_allclose(dataset.atlas, expected, atol=1e-4)
    np.testing.assert_array_equal(dataset.brain, coverage >= 0.5)


def test_split_is_by_subject_and_written_down(dataset):
    stored = json.loads((dataset.directory / DESCRIPTION).read_text())["split"]
    named = [name for names in stored.values() for name in names]
    assert len(named) == len(set(named)) == 5
    for name in ("train", "val", "test"):
        found = {item["subject"] for item in dataset.split(name)}
        assert found == set(stored[name])


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    tiny_dataset(tmp_path / "data", subjects=2)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_same_subjects_same_hash(dataset, tmp_path):
    again = tiny_dataset(tmp_path / "again")
    assert again.content_hash == dataset.content_hash
    other = tiny_dataset(tmp_path / "other", subjects=4)
    assert other.content_hash != dataset.content_hash


@pytest.mark.parametrize("sequences", [("FLAIR",), ("T1w", "Gd-T1w", "T2w", "FLAIR")])
def test_any_sequences(tmp_path, sequences):
    dataset = tiny_dataset(tmp_path / "d", subjects=2, sequences=sequences)
    item = dataset.split("train")[0]
    assert item["images"].shape[-1] == len(sequences)
    assert item["atlas"].shape[-1] == 3 * len(sequences)


def write(output, subjects, **changes):
    arguments = {
        "grid": GRID,
        "sequences": SEQUENCES,
        "splits": {"train": ["blob-0", "blob-1"], "val": [], "test": []},
        "workers": 1,
    }
    tasks = [functools.partial(_identity, subject) for subject in subjects]
    return write_dataset(output, tasks, **{**arguments, **changes})


def _identity(subject):
    return subject


def _broken(**changes):
    first, second = blob_subject(0), blob_subject(1)
    return [first, dataclasses.replace(second, **changes)]


@pytest.mark.parametrize(
    "subjects, message",
    [
        ([], "no training subjects, expected at least one"),
        (_broken(images=np.full((3, 32, 32, 2), np.nan)), "images hold NaN"),
        (_broken(images=np.zeros((3, 32, 32, 2))), "T1w has no positive intensity"),
        (_broken(images=np.ones((3, 32, 32, 1))), r"images of shape \(3, 32, 32, 1\)"),
        (_broken(labels=np.full((3, 32, 32), 7)), "label value 7, expected 0 to 4"),
        (_broken(name="blob-0"), "'blob-0' occurs twice"),
        (_broken(name="blob-9"), "expected every subject in exactly one split"),
    ],
)
def test_wrong_subjects_leave_nothing(tmp_path, subjects, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "d", subjects)
    assert list(tmp_path.iterdir()) == []


def test_patients_are_written_down(tmp_path):
    dataset = write(tmp_path / "d", _broken(patient="blob-0"))
    assert dataset.patients == {"blob-0": "blob-0", "blob-1": "blob-0"}
    assert dataset.patient_of("blob-1") == "blob-0"
    # A dataset of an earlier version has the patient in the subject's name alone.
    path = dataset.directory / DESCRIPTION
    fields = json.loads(path.read_text())
    assert fields.pop("patients")
    path.write_text(json.dumps(fields))
    assert open_dataset(dataset.directory).patient_of("sub-3_ses-02") == "sub-3"


def test_existing_output_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already, expected a new directory"):
        write(tmp_path, _broken())
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda text: text[: len(text) // 2], "not readable as JSON"),
        (lambda text: "[]", "no dataset description of format 1"),
        (lambda text: text.replace('"affine"', '"afine"'), "KeyError"),
        (lambda text: text.replace('"format": 1', '"format": 99'), "format 1"),
        (lambda text: text.replace('"blob-1": "', '"blob-1": "../'), "name '../blob-1"),
    ],
)
def test_damaged_descriptions(dataset, tmp_path, damage, message):
    text = (dataset.directory / DESCRIPTION).read_text()
    (tmp_path / DESCRIPTION).write_text(damage(text))
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(tmp_path)
    assert DESCRIPTION in str(caught.value) and "\n" not in str(caught.value)


class Numbers:
    """A stand-in for slices: instance i holds i."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return {"labels": np.array([index])}


def drawn(batches, steps):
    """Instances of each of some steps."""
    return [batches[step]["labels"].ravel().tolist() for step in steps]


def test_batches_visit_every_instance_once_an_epoch():
    batches = Batches(Numbers(12), batch_size=4, seed=1, fields=["labels"])
    assert batches.epoch_steps == 3
    for epoch in range(3):
        seen = np.ravel(drawn(batches, range(3 * epoch, 3 * epoch + 3)))
        assert sorted(seen) == list(range(12))
    assert drawn(batches, range(3)) != drawn(batches, range(3, 6))


def test_batches_of_one_slice():
    batches = Batches(Numbers(3), batch_size=1, seed=1, fields=["labels"])
    epoch = [int(batch["labels"][0]) for batch in batches.iterate(0, 3)]
    assert sorted(epoch) == [0, 1, 2]


def test_batches_are_a_function_of_the_step():
    batches = Batches(Numbers(10), batch_size=4, seed=1, fields=["labels"])
    again = Batches(Numbers(10), batch_size=4, seed=1, fields=["labels"])
    other = Batches(Numbers(10), batch_size=4, seed=2, fields=["labels"])
    read_ahead = [b["labels"].ravel().tolist() for b in again.iterate(3, 9)]
    assert read_ahead == drawn(batches, range(3, 9))
    assert drawn(other, range(3)) != drawn(batches, range(3))
    assert list(batches.iterate(4, 4)) == []


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_out_the_same_global_batch(processes):
    options = {"batch_size": 4, "seed": 3, "fields": ["labels"]}
    whole = Batches(Numbers(10), **options)
    parts = [
        Batches(Numbers(10), process_index=p, process_count=processes, **options)
        for p in range(processes)
    ]
    for step in range(7):
        shared = np.ravel([drawn(part, [step]) for part in parts])
        assert sorted(shared) == sorted(drawn(whole, [step])[0])


def test_batches_refuse():
    with pytest.raises(InputError, match="no slices"):
        Batches(Numbers(0), batch_size=2, seed=0)
    with pytest.raises(InputError, match="3 is not divisible by 2 processes"):
        Batches(Numbers(9), batch_size=3, seed=0, process_count=2)


def test_training_slices_with_their_mirror_images(dataset):
    slices = dataset.split("train")
    doubled = WithMirrored(slices)
    assert len(doubled) == 2 * len(slices)
    row = len(slices) // 2
    plain, mirrored = doubled[row], doubled[len(slices) + row]
    for name, value in slices[row].items():
        np.testing.assert_array_equal(plain[name], value)
        is_picture = name in ("labels", "images", "atlas", "tissue")
        np.testing.assert_array_equal(
            mirrored[name], np.flip(value, 1) if is_picture else value
        )
    assert (plain["labels"] != mirrored["labels"]).any()


def test_decoding(dataset):
    stored = Batches(
        dataset.split("train"),
        batch_size=2,
        seed=0,
        fields=("labels", "images", "atlas", "tissue"),
    )[0]
    batch = decode(stored)
    np.testing.assert_array_equal(np.argmax(batch.mask, -1), stored["labels"])
    np.testing.assert_allclose(batch.images, unpack(stored["images"]), rtol=1e-6)
    assert batch.tissue.max() <= 1 and batch.atlas.min() >= -1


def test_lack_of_threads_does_not_blame_the_records(dataset, monkeypatch):
    def fail(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("samr_jax.data.tfds_builder.SamrSlices.as_data_source", fail)
    with pytest.raises(MemoryError, match="new thread"):
        open_dataset(dataset.directory).split("train")
