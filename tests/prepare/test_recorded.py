"""What a preparation recorded is read again and checked."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from samr_jax.prepare.report.recorded import (
    read_records,
    standard_scale,
    standard_scales,
)
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

MARKS = list(map(float, range(10, 120, 10)))
RECORD = {
    "scans": {
        "T1w": {
            "shape": [8, 9, 10],
            "affine": np.diag([1.0, 1, 2, 1]).tolist(),
            "from_dataset": np.eye(4).tolist(),
        }
    },
    "sha256": {"T1w": "0" * 64},
    "landmarks": {"T1w": MARKS},
    "steps": ["further fields are allowed"],
}


def changed(place, value):
    """The record with one field set, or removed where the value is None."""
    record = copy.deepcopy(RECORD)
    *above, last = place.split(".")
    inner = record
    for name in above:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is None:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return record


def test_good_records_are_returned_as_they_are(tmp_path):
    records = {"sub-01": RECORD, "sub-02": changed("landmarks", {})}
    (tmp_path / "subjects.json").write_text(json.dumps(records))
    assert read_records(tmp_path) == records


@pytest.mark.parametrize(
    "place, value, expected",
    [
        ("scans", None, "a.scans is missing"),
        ("scans.T1w.affine", None, "a.scans.T1w.affine is missing"),
        ("sha256", None, "a.sha256 is missing"),
        ("sha256.T1w", 7, "a.sha256.T1w is 7, expected a text"),
        ("scans.T1w", [], "a.scans.T1w is an empty list, expected an object"),
        ("scans.T1w.shape", [8, 9], "a.scans.T1w.shape has 2 items, expected 3"),
        ("scans.T1w.shape.0", 0, "a.scans.T1w.shape.0 is 0, expected 1 to "),
        ("scans.T1w.shape.0", 2**40, "a.scans.T1w.shape.0 is 1099511627776, expected"),
        ("scans.T1w.affine.2.2", 0, "a.scans.T1w.affine is not an invertible matrix"),
        (
            "scans.T1w.from_dataset.0.3",
            float("nan"),
            "a.scans.T1w.from_dataset.0.3 is NaN, expected a number",
        ),
        ("landmarks.T1w.3", "x", "a.landmarks.T1w.3 is 'x', expected a number"),
        ("landmarks.T1w.3", 99, "a.landmarks.T1w is not increasing"),
        ("landmarks.T1w", MARKS[:5], "a.landmarks.T1w has 5 items, expected 11"),
    ],
)
def test_a_damaged_record_is_named(place, value, expected, tmp_path):
    path = tmp_path / "subjects.json"
    path.write_text(json.dumps({"a": changed(place, value)}))
    with pytest.raises(InputError) as caught:
        read_records(tmp_path)
    assert str(caught.value).startswith(f"{path}: {expected}")


@pytest.mark.parametrize("share", [0, 0.3, 0.95])
def test_a_truncated_file_is_refused(share, tmp_path):
    text = json.dumps({"a": RECORD})
    (tmp_path / "subjects.json").write_text(text[: int(share * len(text))])
    with pytest.raises(InputError, match=r"subjects\.json: not readable as JSON"):
        read_records(tmp_path)


def with_standard(dataset, standard):
    return dataclasses.replace(dataset, provenance={"standard": standard})


def test_the_standard_scale_of_a_sequence(dataset):
    assert standard_scales(with_standard(dataset, None)) == {}
    standard = with_standard(dataset, {"scales": {"T1w": MARKS}})
    np.testing.assert_array_equal(standard_scale(standard, "T1w"), MARKS)
    with pytest.raises(InputError, match=r"standard\.scales\.FLAIR is missing"):
        standard_scale(standard, "FLAIR")


@pytest.mark.parametrize(
    "standard, expected",
    [
        ({"percentiles": []}, "provenance.standard.scales is missing"),
        (["T1w"], "provenance.standard is a list, expected an object"),
        ({"scales": {"T1w": MARKS[1:]}}, "scales.T1w has 10 items, expected 11"),
        ({"scales": {"T1w": MARKS[::-1]}}, "scales.T1w is not increasing"),
    ],
)
def test_a_damaged_standard_scale_is_named(standard, expected, dataset):
    with pytest.raises(InputError) as caught:
        standard_scales(with_standard(dataset, standard))
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{dataset.directory / 'dataset.json'}: ")
