"""Unpaired training in the real loop, and segmentation by what it has trained."""

import dataclasses
import json
import math
import shutil
import types

import numpy as np
import pytest

from samr_jax.data.nifti import write_volume
from samr_jax.data.window import unpack
from samr_jax.inference.segment import read_scans, segment_volume
from samr_jax.labels import LABELS
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from samr_jax.training.loop import train_and_evaluate
from tests.tiny import tiny_config


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """Work directory of two steps of the real loop."""
    config = tiny_config(dataset, "ucg_samr")
    config.batch_size = 2
    config.model.downsamplings = 1
    config.steps = 2
    workdir = tmp_path_factory.mktemp("unpaired") / "run"
    train_and_evaluate(config, workdir)
    return workdir


def test_a_run_evaluates_both_directions(run):
    result = json.loads((run / "metrics.json").read_text())
    assert result["anatomy_prior"] == "tissue probability maps of the subject"
    assert set(result["segmentation"]["dice"]) == {"edema", "cavity", "tumor"}
    log = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    steps = [entry for entry in log if "gen/total" in entry]
    assert [entry["step"] for entry in steps] == [1, 2]
    assert all(math.isfinite(v) for entry in steps for v in entry.values())
    table = (run / "table.md").read_text()
    assert "edema deleted" in table and "SSIM" in table
    for name in ("comparison.png", "translation.png"):
        assert (run / "figures" / name).stat().st_size > 0


def test_a_loaded_run_translates_both_ways(run, dataset):
    model = load_model(run)
    slices = dataset.split("test")
    fields = ("labels", "tissue", "images")
    stored = {name: np.stack([slices[i][name] for i in range(2)]) for name in fields}
    synthesis = model.synthesize(stored)
    assert synthesis.images.shape == (2, 32, 32, 2)
    assert synthesis.confidence.shape == (2, 16, 16, 2)
    probabilities = model.segment(stored)
    assert probabilities.shape == (2, 32, 32, len(LABELS))
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def patient(dataset, directory, *, flipped):
    """A test subject's scans as files; its instances."""
    slices = dataset.split("test")
    name = slices[0]["subject"]
    items = [item for item in slices if item["subject"] == name]
    images = dataset.restore(name, unpack(np.stack([i["images"] for i in items])))
    images[np.stack([item["labels"] for item in items]) == 0] = 0
    affine = dataset.grid.affine
    volume = np.swapaxes(images, 0, 2)
    if flipped:
        volume = volume[::-1]
        affine = affine @ np.array(
            [[-1, 0, 0, len(volume) - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        )
    for channel, sequence in enumerate(dataset.sequences):
        write_volume(directory / f"{sequence}.nii.gz", volume[..., channel], affine)
    return items


class Fifths:
    """Stands in for a model: a pixel's label is the fifth of T1w's range it is in."""

    def __init__(self, dataset, *, can_segment=True):
        self.dataset = dataset
        self.method = types.SimpleNamespace(name="Fifths", can_segment=can_segment)

    def segment(self, stored):
        level = (unpack(stored["images"])[..., 0] + 1) / 2
        return np.eye(len(LABELS))[np.minimum((5 * level).astype(int), 4)]


@pytest.mark.parametrize("flipped", [False, True])
def test_scans_are_segmented_as_slices_are(dataset, tmp_path, flipped):
    """Through files, other voxel orders and refitted windows: the same label map."""
    items = patient(dataset, tmp_path, flipped=flipped)
    model = Fifths(dataset)
    found = segment_volume(model, read_scans(tmp_path, dataset))
    slices = {name: np.stack([item[name] for item in items]) for name in items[0]}
    expected = model.segment(slices).argmax(-1)
    expected[slices["labels"] == 0] = 0
    assert set(np.unique(expected)) >= {0, 1, 4}
    expected = np.swapaxes(expected, 0, 2)[:: -1 if flipped else 1]
    assert np.mean(found == expected) > 0.98


def test_scans_may_have_the_names_of_brats(dataset, tmp_path):
    patient(dataset, tmp_path, flipped=False)
    expected = read_scans(tmp_path, dataset)
    for folder, case in (("one", "BraTS_1"), ("two", "BraTS_2")):
        (tmp_path / folder).mkdir()
        for sequence, suffix in (("T1w", "t1"), ("APTw", "aptw")):
            source = tmp_path / f"{sequence}.nii.gz"
            shutil.copy(source, tmp_path / folder / f"{case}_{suffix}.nii.gz")
    for name in dataset.sequences:
        (tmp_path / f"{name}.nii.gz").unlink()
    found = read_scans(tmp_path / "one", dataset)
    assert list(found) == list(expected)
    for name, scan in found.items():
        np.testing.assert_array_equal(scan.data, expected[name].data)
    with pytest.raises(InputError, match="2 subjects, expected the folder of one"):
        read_scans(tmp_path, dataset)
    (tmp_path / "one" / "BraTS_1_t1.nii.gz").unlink()
    with pytest.raises(InputError, match=r"T1w is missing, expected .*BraTS_1_t1\."):
        read_scans(tmp_path / "one", dataset)


def test_scans_that_cannot_be_segmented(dataset, tmp_path):
    patient(dataset, tmp_path, flipped=False)
    scans = read_scans(tmp_path, dataset)
    away = np.eye(4)
    away[2, 3] = 500
    moved = {
        name: dataclasses.replace(scan, affine=away @ scan.affine)
        for name, scan in scans.items()
    }
    with pytest.raises(InputError, match="no brain within"):
        segment_volume(Fifths(dataset), moved)
    with pytest.raises(InputError, match="Fifths does not segment"):
        segment_volume(Fifths(dataset, can_segment=False), scans)
    (tmp_path / f"{dataset.sequences[0]}.nii.gz").unlink()
    with pytest.raises(InputError, match="no such file"):
        read_scans(tmp_path, dataset)
