"""Ranges of the lesions that a dataset's training subjects have."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.data.lesion_ranges import (
    LESION_RANGES,
    ranges_of_subject,
    ranges_of_subjects,
    slice_ranges,
    volume_ranges,
)
from samr_jax.data.stacks import compute_lesion_ranges
from samr_jax.data.subject import Grid
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.runs.workdir import keep_description
from samr_jax.runtime.errors import InputError
from tests.tiny import tiny_dataset

pytestmark = pytest.mark.quick

GRID = Grid.centred((60, 60), 20, spacing=(2.0, 2.0, 5.0), centre=(4.0, -6.0, 30.0))


def boxes(*placed):
    """A brain with boxes of labels: code, first and last voxel ``(z, y, x)``."""
    labels = np.zeros((GRID.slices, *GRID.size), np.uint8)
    labels[:, 5:-5, 5:-5] = NORMAL
    for code, low, high in placed:
        labels[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = code
    return labels


def test_of_a_box_whose_size_and_place_are_known():
    # 5 slices of 10 rows and 20 columns; the voxels have 20 mm³.
    labels = boxes((EDEMA, (5, 20, 20), (9, 29, 39)), (TUMOR, (7, 24, 24), (7, 25, 28)))
    found = ranges_of_subject(labels, GRID)
    middle = GRID.affine @ [29.5, 24.5, 7, 1]
    volumes = {"lesion_ml": 20.0, "edema_ml": 19.8, "tumor_ml": 0.2, "lesions": 1}
    volumes |= dict(zip(("x_mm", "y_mm", "z_mm"), middle, strict=False))
    assert found.volumes.keys() == volumes.keys()
    for name, value in volumes.items():
        assert found.volumes[name] == pytest.approx((value, value)), name
    # Pixels have 4 mm², and one slice has 10 pixels of tumor.
    assert found.slices["lesion_cm2"] == pytest.approx((8.0, 8.0))
    assert found.slices["edema_cm2"] == pytest.approx((7.6, 8.0))
    assert found.slices["tumor_cm2"] == pytest.approx((0.4, 0.4))
    assert "cavity_cm2" not in found.slices and "z_mm" not in found.slices


def test_parts_touch_at_corners_and_specks_do_not_count():
    edema = (EDEMA, (5, 20, 20), (6, 24, 24))
    corner = boxes(edema, (CAVITY, (7, 25, 25), (8, 29, 29)))
    assert volume_ranges(corner.T, GRID.affine)["lesions"] == (1, 1)
    apart = boxes(edema, (CAVITY, (7, 26, 25), (8, 29, 29)))
    assert volume_ranges(apart.T, GRID.affine)["lesions"] == (2, 2)
    apart[12, 40, 40:44] = TUMOR  # 0.08 ml, and a slice with one part of 0.16 cm²
    assert volume_ranges(apart.T, GRID.affine)["lesions"] == (2, 2)
    assert slice_ranges(apart, GRID)["lesions"] == (1, 1)
    apart[12, 40, 40:46] = TUMOR
    assert volume_ranges(apart.T, GRID.affine)["lesions"] == (3, 3)


def test_do_not_depend_on_the_order_of_the_voxels():
    labels = boxes((EDEMA, (5, 20, 20), (9, 29, 39))).T
    turned = GRID.affine @ [[0, -1, 0, 59], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    found = volume_ranges(labels, GRID.affine)
    again = volume_ranges(labels.transpose(1, 0, 2)[:, ::-1], turned)
    assert found.keys() == again.keys()
    for name in found:
        assert found[name] == pytest.approx(again[name]), name


def test_of_several_subjects_leave_out_parts_that_one_lacks():
    small = boxes((EDEMA, (5, 20, 20), (5, 24, 24)))
    large = boxes((EDEMA, (5, 20, 20), (9, 29, 39)), (TUMOR, (7, 24, 24), (7, 25, 28)))
    healthy = boxes()
    masks = (small, large, healthy)
    ranges = ranges_of_subjects(ranges_of_subject(x, GRID) for x in masks)
    assert ranges.volumes["edema_ml"] == pytest.approx((0.5, 19.8))
    assert ranges.volumes["tumor_ml"] == pytest.approx((0.2, 0.2))
    assert ranges_of_subject(healthy, GRID).volumes == {}


def test_a_dataset_keeps_them_and_a_run_does_too(tmp_path):
    dataset = tiny_dataset(tmp_path / "data")
    ranges = dataset.lesion_ranges
    areas = [
        np.isin(item["labels"], (EDEMA, CAVITY, TUMOR)).sum() / 100
        for item in dataset.split("train")
    ]
    assert ranges.slices["lesion_cm2"] == pytest.approx((min(areas), max(areas)))
    computed = dataclasses.asdict(compute_lesion_ranges(dataset))
    assert computed == dataclasses.asdict(ranges)

    keep_description(dataset, tmp_path / "kept")
    assert open_dataset(tmp_path / "kept").lesion_ranges == ranges


def test_of_an_older_dataset_are_computed_from_its_slices(tmp_path):
    dataset = tiny_dataset(tmp_path / "data")
    older = shutil.copytree(dataset.directory, tmp_path / "older")
    (older / LESION_RANGES).unlink()
    assert open_dataset(older).lesion_ranges is None
    keep_description(open_dataset(older), tmp_path / "kept")
    assert open_dataset(tmp_path / "kept").lesion_ranges == dataset.lesion_ranges
    # A copy of a copy that has no record, as of a run of version 0.1.0.
    shutil.rmtree(older / "samr_slices")
    keep_description(open_dataset(older), tmp_path / "again")
    assert open_dataset(tmp_path / "again").lesion_ranges is None


@pytest.mark.parametrize(
    "content",
    [{}, [], {"volumes": {"x_mm": [1]}, "slices": {}}, {"volumes": 3, "slices": {}}]
    + [{"volumes": {"x_mm": pair}, "slices": {}} for pair in ([2, 1], [0, "a"])],
)
def test_a_damaged_record_is_refused(tmp_path, content):
    dataset = tiny_dataset(tmp_path / "data", subjects=3)
    path = dataset.directory / LESION_RANGES
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"lesion_ranges\.json: damaged"):
        open_dataset(dataset.directory).lesion_ranges  # noqa: B018
