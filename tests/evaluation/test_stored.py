"""Evaluations are read again and checked."""

import copy
import json
import math

import pytest

from samr_jax.evaluation.stored import AGAIN, METRICS, read_evaluation, read_evaluations
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json
from tests.fuzz.targets.records import full_evaluation

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def whole(dataset):
    """An evaluation with all scores of a split, after it was JSON."""
    return json.loads(json.dumps(full_evaluation(dataset, 0)))


@pytest.fixture
def content(whole):
    """A copy to be damaged."""
    return copy.deepcopy(whole)


def without(content, *names):
    return {name: value for name, value in content.items() if name not in names}


def refusal(content, folder, read=read_evaluation):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / METRICS).write_text(text)
    with pytest.raises(InputError) as caught:
        read(folder if read is read_evaluation else folder / METRICS)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and line.endswith(f"; {AGAIN}")
    assert line.startswith(f"{folder / METRICS}: ")
    return line.removeprefix(f"{folder / METRICS}: ").removesuffix(f"; {AGAIN}")


def test_an_evaluation_is_returned_as_it_was_written(content, tmp_path):
    assert {"mask_follow", "calibration", "segmentation", "weights"} <= set(content)
    parts = [
        content,
        without(content, "mask_follow", "segmentation", "calibration"),
        without(content, "average", "sequences", "subjects", "weights", "slices"),
    ]
    for part in parts:
        write_json(tmp_path / METRICS, part)
        assert read_evaluation(tmp_path) == part
    rows = {"Atlas": without(content, "step")}
    write_json(tmp_path / "trivial.json", rows)
    assert read_evaluations(tmp_path / "trivial.json") == rows


@pytest.mark.parametrize("field", ["method", "split", "dataset_hash", "simulated"])
def test_a_missing_description_is_named(field, content, tmp_path):
    assert refusal(without(content, field), tmp_path) == f"{field} is missing"
    rows = {"Atlas": without(content, field)}
    found = refusal(rows, tmp_path, read=read_evaluations)
    assert found == f"Atlas.{field} is missing"


@pytest.mark.parametrize(
    "place, value, expected",
    [
        ("step", None, "step is null, expected a whole number, 0 or more"),
        ("simulated", 1, "simulated is 1, expected true or false"),
        ("average.ssim", math.nan, "average.ssim is NaN, expected a number"),
        ("average.ssim", "0.9", "average.ssim is '0.9', expected a number"),
        ("average.ssim", 1e200, "average.ssim is 1e+200, expected a number"),
        ("subjects", {}, "sequences or subjects are empty, expected at least one"),
        ("average.other", 1.0, "sequences.T1w has other scores than average"),
        (
            "segmentation.missed.tumor",
            0.5,
            "segmentation.missed.tumor is 0.5, expected",
        ),
        ("mask_follow.real.dice", [], "mask_follow.real.dice is an empty list"),
        ("memorisation.ratio", "1", "memorisation, Nearest ratio is '1', expected"),
        ("calibration", {}, "calibration: field missing or damaged"),
    ],
)
def test_a_damaged_field_is_named(place, value, expected, content, tmp_path):
    *above, last = place.split(".")
    inner = content
    for name in above:
        inner = inner[name]
    inner[last] = value
    assert refusal(content, tmp_path).startswith(expected)


def test_missing_scores_of_a_patient_are_named(content, tmp_path):
    patient = sorted(content["subjects"])[0]
    del content["subjects"][patient]["lesion"]
    assert refusal(content, tmp_path) == f"subjects.{patient}.lesion is missing"
    del content["weights"][patient], content["subjects"][patient]["edema"]
    content["subjects"] = {patient: content["average"]}
    expected = "weights has other names than subjects, expected the same"
    assert refusal(content, tmp_path) == expected


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(share, content, tmp_path):
    text = json.dumps(content)
    found = refusal(text[: int(share * len(text))], tmp_path)
    assert found.startswith("not readable as JSON")


@pytest.mark.parametrize("part", ["segmentation", "mask_follow"])
def test_dice_of_an_earlier_version_is_not_mixed_with_that_of_today(
    part, content, tmp_path
):
    """Version 0.1.0 counted a label that only the segmentation has as Dice 0."""
    dice = content[part] if part == "segmentation" else content[part]["synthesized"]
    for name in ("hausdorff_95", "missed", "false_positives", "hausdorff_subjects"):
        del dice[name]
    found = refusal(content, tmp_path)
    assert found.endswith("hausdorff_95 is missing")
    content = without(content, part)
    write_json(tmp_path / METRICS, content)
    assert read_evaluation(tmp_path) == content
