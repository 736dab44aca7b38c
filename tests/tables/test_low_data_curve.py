"""The low-data curve, from tables that were made by hand."""

import json

import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from samr_jax.evaluation.scores.dice import LESIONS
from samr_jax.runtime.errors import InputError
from samr_jax.tables.low_data_curve import draw_low_data_curve

pytestmark = pytest.mark.quick


def result(edema):
    """A Dice for each of six patients, one of whom has no cavity."""
    subjects = {
        f"sub-{i}": {
            "edema": edema * (0.9 + 0.04 * i),
            "cavity": 0.5 if i else None,
            "tumor": 0.25,
        }
        for i in range(6)
    }
    return {
        "step": 800,
        "dice": {
            "dice": {"edema": edema, "cavity": 0.5, "tumor": 0.25},
            "intervals": {"edema": [edema - 0.1, edema + 0.1]},
            "subjects": subjects,
        },
    }


def write_table(folder, patients, edema, **changes):
    folder.mkdir()
    content = {
        "train_patients": patients,
        "folds": 3,
        "dataset": {"hash": "a", "simulated": False},
        "lesions": None,
        "results": {
            "4": {"CG-SAMR": result(edema + 0.1)},
            "0": {"Baseline": result(edema)},
            "alone": {"CG-SAMR": result(edema - 0.1)},
        },
    }
    (folder / "table2.json").write_text(json.dumps({**content, **changes}))
    return folder


def test_each_training_set_has_a_curve_in_the_order_of_the_patients(
    tmp_path, monkeypatch
):
    tables = [
        write_table(tmp_path / "many", 12, 0.6),
        write_table(tmp_path / "few", 4, 0.4),
    ]
    drawn, plot = {}, Axes.plot

    def noted(axes, x, y, *args, **options):
        if options.get("label") and axes.get_subplotspec().colspan.start == 0:
            drawn[options["label"]] = pytest.approx(y)
        return plot(axes, x, y, *args, **options)

    monkeypatch.setattr(Axes, "plot", noted)
    text = draw_low_data_curve(tables, tmp_path / "curve.png")
    assert drawn == {
        "real images alone": [0.4, 0.6],
        "CG-SAMR alone": [0.3, 0.5],
        "real + 4 × CG-SAMR": [0.5, 0.7],
    }
    assert next(iter(drawn)) == "real images alone"
    assert "mean of 4, 12 training patients" in text
    gains = [line for line in text.splitlines() if line.startswith("| real + 4")]
    assert "+0.100" in gains[0] and "| +0.000" in gains[0]
    assert imread(tmp_path / "curve.png").ndim == 3


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_patients": 4}, r"tables with \[4, 4\] training patients"),
        ({"train_patients": None}, "train_patients None, expected a number"),
        ({"folds": 5}, "folds 5, expected that of .*first, 3"),
        ({"dataset": {"hash": "b", "simulated": False}}, "dataset 'b', expected that"),
        ({"results": {}}, "no row of real images alone, expected table 2"),
        ({"lesions": ["a mask"]}, r"lesions \['a mask'\], expected that"),
        (
            {"results": {"0": {"Baseline": result(0.5)}}},
            r"rows \['real images alone'\], expected that",
        ),
        ({"results": {"4": {"CG-SAMR": {}}}}, "field missing or damaged"),
        ({"results": {"x": {"CG-SAMR": result(0.5)}}}, "field missing or damaged"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(tmp_path, changes, message):
    first = write_table(tmp_path / "first", 4, 0.4)
    second = write_table(tmp_path / "second", 8, 0.5, **changes)
    with pytest.raises(InputError, match=message):
        draw_low_data_curve([first, second], tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()


def test_other_steps_and_other_patients_are_refused(tmp_path):
    first = write_table(tmp_path / "first", 4, 0.4)
    content = json.loads((first / "table2.json").read_text())
    second = write_table(tmp_path / "second", 8, 0.5)
    content["train_patients"] = 8
    for change, message in (("steps", "steps .*1600"), ("tested", "tested .*sub-9")):
        changed = json.loads(json.dumps(content))
        baseline = changed["results"]["0"]["Baseline"]
        if change == "steps":
            baseline["step"] = 1600
        else:
            baseline["dice"]["subjects"]["sub-9"] = dict.fromkeys(LESIONS, 0.5)
        (second / "table2.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match=message):
            draw_low_data_curve([first, second], tmp_path / "curve.png")


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no table2\.json, expected a made table 2"):
        draw_low_data_curve([tmp_path], tmp_path / "curve.png")
