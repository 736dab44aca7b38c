"""A mask that is outside of the training is told once, and others are not told."""

import dataclasses
import json
import logging
import shutil

import nibabel as nib
import numpy as np
import pytest

import samr_jax
from samr_jax.data import phantom
from samr_jax.data.dataset import open_dataset
from samr_jax.data.lesion_ranges import LESION_RANGES, LesionRanges
from samr_jax.data.nifti import Volume, read_labels, write_volume
from samr_jax.data.planes import Planes
from samr_jax.inference.augment import synthesized_set
from samr_jax.inference.outside_training import (
    NOT_ON_RECORD,
    compare_slices,
    compare_volume,
    record_of,
    warning_of,
)
from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.labels import EDEMA, LESION_LABELS, NORMAL, TUMOR
from samr_jax.pretrained.load import MASK, PACKAGE
from samr_jax.runs.model import DATASET_COPY, load_model
from samr_jax.runtime.files import read_json
from tests.commands import launch

PACKAGED = open_dataset(PACKAGE / DATASET_COPY)


def compare(labels, affine, dataset=PACKAGED):
    """Compares a mask ``(X, Y, Z)`` with the training of a dataset."""
    planes = Planes.through(affine, labels.shape, dataset.grid)
    return compare_volume(labels, planes, dataset)


def properties(comparison):
    return [each.property for each in comparison]


@pytest.fixture(scope="module")
def example():
    return read_labels(PACKAGE / MASK)


@pytest.mark.quick
class TestThePackagedWeights:
    def test_know_their_example(self, example):
        assert compare(example.data, example.affine) == ()
        assert compare_slices(example.data.T, PACKAGED) == ()

    def test_know_the_example_in_finer_voxels(self, example):
        finer = np.repeat(example.data, 4, axis=2)
        affine = example.affine @ np.diag([1, 1, 0.25, 1])
        affine[2, 3] -= 1.5 * 1.1
        assert compare(finer, affine) == ()

    @pytest.mark.parametrize("index", [31, 58])
    def test_know_held_out_phantoms(self, index):
        """Number 31 has the largest edema of all, and number 58 the smallest slice."""
        grid = phantom.grid(64, 15)
        assert f"phantom-{index:04d}" not in PACKAGED.splits["train"]
        subject = phantom.simulate_subject(index, seed=0, grid=grid, sequences=["T1w"])
        found = compare(subject.labels.T, grid.affine)
        # The phantom of 64 pixels is coarse in the eyes of weights for 256 pixels.
        assert properties(found) == ["spacing_mm"]

    def test_do_not_judge_what_a_mask_lacks(self, example):
        for kept in ((), (EDEMA,), (TUMOR,)):
            labels = np.where(
                np.isin(example.data, (0, NORMAL, *kept)), example.data, 1
            )
            found = properties(compare(labels, example.affine))
            assert not {"cavity_ml", "edema_ml", "tumor_ml"} & set(found)

    def test_are_told_of_a_tumor_of_half_the_brain(self, example):
        labels = example.data.copy()
        half = np.arange(labels.shape[0]) < labels.shape[0] // 2
        labels[half] = np.where(labels[half] > 0, TUMOR, 0)
        (tumor,) = (
            x for x in compare(labels, example.affine) if x.property == "tumor_ml"
        )
        voxel = abs(np.linalg.det(example.affine[:3, :3])) / 1000
        assert tumor.found == pytest.approx(voxel * np.count_nonzero(labels == TUMOR))
        assert tumor.found > 300 and tumor.trained[1] < 100
        assert "tumor_cm2" in properties(compare_slices(labels.T, PACKAGED))

    def test_are_told_of_many_lesions(self, example):
        labels = np.where(example.data > 0, NORMAL, 0)
        brain = np.argwhere(labels[10:-10:20, 10:-10:20, 1:-1:3] > 0)
        for x, y, z in brain * (20, 20, 3) + (10, 10, 1):
            labels[x : x + 6, y : y + 6, z : z + 2] = TUMOR
        found = compare(labels, example.affine)
        assert properties(found) == ["lesions"]
        assert found[0].found == len(brain) and found[0].trained[1] < 10

    def test_are_told_of_an_unknown_place(self, example):
        """A lesion in the lowest slice, in the middle of the brain's front."""
        labels = np.where(example.data > 0, NORMAL, 0)
        rows = np.flatnonzero((labels > 0).any(axis=(0, 2)))
        labels[110:140, rows[0] + 5 : rows[0] + 35, 0] = EDEMA
        found = compare(labels, example.affine)
        assert "z_mm" in properties(found)
        height = dict(zip(properties(found), found, strict=True))["z_mm"]
        assert height.found == pytest.approx(PACKAGED.grid.affine[2, 3])

    def test_are_told_of_coarse_voxels_and_of_slices_of_another_size(self, example):
        coarse = example.data[::3, ::3]
        affine = example.affine @ np.diag([3, 3, 1, 1])
        (spacing,) = compare(coarse, affine)
        assert spacing.property == "spacing_mm"
        assert spacing.found == pytest.approx((2.484375, 2.484375, 4.4))
        assert properties(compare_slices(coarse.T, PACKAGED)) == ["slice_size"]


@pytest.mark.quick
def test_the_line_names_property_value_and_range():
    ranges = {"edema_ml": (2.0, 30.0), "lesions": (1, 2), "x_mm": (-20.0, 20.0)}
    dataset = dataclasses.replace(PACKAGED)
    vars(dataset)["lesion_ranges"] = LesionRanges(ranges, {})
    labels = np.zeros((60, 60, 15), np.uint8)
    labels[:5] = EDEMA
    affine = np.diag([2.0, 2.0, 4.4, 1.0])
    affine[:3, 3] = PACKAGED.grid.affine[:3, 3] - (190, 120, 0)
    found = compare(labels, affine, dataset)
    volume = 5 * 60 * 15 * 2 * 2 * 4.4 / 1000
    assert warning_of(found) == (
        "outside of what the weights were trained with: voxels of 2 x 2 x 4.4 mm "
        "(trained with 0.828 x 0.828 x 4.4), "
        f"edema {volume:.3g} ml (trained with 2 to 30), lesion's centre at x = "
        f"{affine[0, 3] + 4:.3g} mm (trained with -20 to 20)"
    )
    assert json.loads(json.dumps(record_of(found)))[1] == {
        "property": "edema_ml",
        "found": pytest.approx(volume),
        "trained": [2.0, 30.0],
    }


@pytest.fixture
def messages(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("samr_jax"), "propagate", True)
    return lambda: [text for text in caplog.messages if "outside of what" in text]


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def older(trained, tmp_path_factory):
    """The run without its record of ranges."""
    copy = shutil.copytree(trained, tmp_path_factory.mktemp("older") / "run")
    (copy / DATASET_COPY / LESION_RANGES).unlink()
    return copy


@pytest.fixture(scope="module")
def labels(dataset):
    """A test subject's labels, and the same with a lesion that fills half the brain."""
    known = np.stack([item["labels"] for item in dataset.split("test")]).T
    larger = np.where(
        (known > 0) & (np.arange(len(known)) < 16)[:, None, None], 4, known
    )
    return known, larger.astype(np.uint8)


@pytest.fixture(scope="module")
def files(labels, dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    for name, volume in zip(("known", "large"), labels, strict=True):
        write_volume(folder / f"{name}.nii.gz", volume, dataset.grid.affine)
    return folder


def test_the_command_tells_one_line_and_the_provenance_a_flag(
    trained, older, files, tmp_path
):
    def synthesize(run, name, output):
        done = launch(
            "synthesize",
            f"--workdir={run}",
            f"--mask={files / name}",
            f"--output={tmp_path / output}",
        )
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if "warning" in line]
        record = read_json(tmp_path / output / "provenance.json")
        return lines, record["outside_training"]

    assert synthesize(trained, "known.nii.gz", "a") == ([], [])
    (line,), flag = synthesize(trained, "large.nii.gz", "b")
    assert "large.nii.gz: outside of what the weights were trained with: " in line
    assert [each["property"] for each in flag][:1] == ["lesion_ml"]
    assert f"lesion {flag[0]['found']:.3g} ml (trained with " in line
    assert synthesize(older, "large.nii.gz", "c") == ([], NOT_ON_RECORD)


def test_all_samples_of_a_mask_have_one_line(model, labels, dataset, messages):
    mask = Volume(labels[1], dataset.grid.affine, "large.nii")
    synthesize = Synthesizer(model).prepare(mask)
    first, second = synthesize(seed=0), synthesize(seed=1)
    assert first.outside == second.outside and first.outside
    assert len(messages()) == 1
    synthesize = Synthesizer(model, edit="scale:tumor=0.1").prepare(mask)
    assert "tumor_ml" not in properties(synthesize(seed=0).outside)


def test_the_function_of_arrays_tells_one_line(model, labels, dataset, messages):
    atlas = dataset.split("test")[0]["atlas"] / np.float32(32767)
    known, large = (volume.T for volume in labels)
    samr_jax.synthesize(known, atlas, checkpoint=model)
    assert messages() == []
    samr_jax.synthesize(large, atlas, checkpoint=model)
    assert len(messages()) == 1 and "mask: " in messages()[0]
    area = np.isin(large, LESION_LABELS).sum(axis=(1, 2)).max() / 100
    assert f"lesion {area:.3g} cm² (trained with " in messages()[0]


def test_a_training_set_tells_one_line(model, dataset, tmp_path, messages, monkeypatch):
    """The ranges of one subject are narrower than the edits of all."""
    record = dataset.lesion_ranges
    small = {**record.volumes, "lesion_ml": (1e-6, 2e-6)}
    monkeypatch.setitem(
        vars(dataset), "lesion_ranges", LesionRanges(small, record.slices)
    )
    made = synthesized_set(model, dataset, tmp_path / "set", count=2, seed=0)
    outside = made.provenance["outside_training"]
    assert len(messages()) == 1 and "2 of 2 masks" in messages()[0]
    assert list(outside) == ["synthesized-0000", "synthesized-0001"]
    assert outside["synthesized-0000"][0]["property"] == "lesion_ml"


def test_values_of_another_preset_are_told(
    model, labels, dataset, tmp_path, caplog, messages
):
    """Edema and enhancing tumor in the codes of BraTS 2023."""
    values = np.array([0, 0, 2, 3, 3], np.uint8)[labels[0]]
    path = tmp_path / "seg.nii.gz"
    nib.save(nib.Nifti1Image(values, dataset.grid.affine), path)
    Synthesizer(model)(path, tmp_path / "ours")
    told = [text for text in caplog.messages if "--labels" in text]
    assert told == [
        f"warning: {path}: its values look like those of "
        "--labels=brats2023, not of samr"
    ]
    record = read_json(tmp_path / "ours" / "provenance.json")
    assert record["codes_look_like"] == "brats2023"
    Synthesizer(model, labels="brats2023")(path, tmp_path / "theirs")
    assert "codes_look_like" not in read_json(tmp_path / "theirs" / "provenance.json")
    assert len([text for text in caplog.messages if "--labels" in text]) == 1
