"""What is left of a table, and a tiny cross-validation from its command's own parts."""

import dataclasses
import json
import math

import pytest

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json
from samr_jax.tables import make_table
from samr_jax.tables.rows import CG_SAMR, SEGMENTER, Row
from samr_jax.tables.run_record import seconds_of, steps_of
from samr_jax.tables.status import plan, saved_steps, status, step_seconds
from samr_jax.tables.table_runs import TableRuns
from tests.tables.stand_ins import tiny

PIX2PIX = Row("Pix2Pix", "pix2pix")


@pytest.fixture
def table_runs(dataset, tmp_path):
    overrides = {"data.dir": str(dataset.directory), "steps": 2}
    return TableRuns(tmp_path / "t", tiny, CG_SAMR, overrides=overrides, folds=2)


def test_plan_has_every_run_of_every_table(table_runs):
    both_seeds = dataclasses.replace(table_runs, seeds=(0, 1))
    counts = {
        number: {p.title: len(p.directories) for p in plan(number, both_seeds)}
        for number in (1, 2, 5, 6)
    }
    # Two folds of two seeds; in Table I the first seed's U-Net judges all.
    assert counts[1].pop("U-Net") == 2 and set(counts[1].values()) == {4}
    # Two mixes with the geometric control, then the rows' images alone.
    assert len(counts[2]) == 1 + 5 + 2 * 6 + 5 and set(counts[2].values()) == {4}
    assert len(counts[5]) == 1 + 6 + 6
    assert len(counts[6]) == 1 + 3 + 3 and set(counts[6].values()) == {4}
    paths = [path for p in plan(2, both_seeds) for path in p.directories]
    assert len(set(paths)) == len(paths)


def test_status_counts_runs_steps_and_hours(table_runs):
    """One run is finished, one was stopped at step 1, one has not begun."""
    own = dataclasses.replace(table_runs, folds=0, seeds=(0, 1, 2))
    finished = own.directory(PIX2PIX, 0)
    write_json(finished / "metrics.json", {"step": 2})
    write_json(finished / "run.json", {"seconds": 3600.0})
    (own.directory(PIX2PIX, 1) / "checkpoints" / "1").mkdir(parents=True)
    segmenter = own.directory(SEGMENTER, 0)
    write_json(segmenter / "metrics.json", {"step": 2})
    assert saved_steps(own.directory(PIX2PIX, 1)) == 1
    text = status(1, own, only=["Pix2Pix"])
    assert "| Pix2Pix | 1 of 3 | 2 | 1.8e+03 | 1.50 |" in text
    assert "| U-Net | 1 of 1 | 2 |  | 0.00 |" in text
    assert text.endswith("1.5 hours of training left on this machine.")


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("metrics.json", {}, "metrics.json: step is missing"),
        ("metrics.json", {"step": "2"}, "step is '2', expected a whole number"),
        ("run.json", {}, "run.json: seconds is missing"),
        ("run.json", [], "run.json: the content is an empty list, expected an object"),
        ("run.json", {"seconds": -1}, "seconds is -1, expected a time"),
        ("run.json", {"seconds": 10**400}, "seconds is 10*, expected a time"),
        ("run.json", {"seconds": 1, "jax": 7}, "jax is 7, expected a text"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, name, content, words):
    write_json(tmp_path / "metrics.json", {"step": 2})
    write_json(tmp_path / "run.json", {"seconds": 3600.0})
    assert (steps_of(tmp_path), seconds_of(tmp_path)) == (2, 3600.0)
    write_json(tmp_path / name, content)
    with pytest.raises(InputError, match=words):
        steps_of(tmp_path), seconds_of(tmp_path)


def test_a_step_is_timed(table_runs):
    part = table_runs.parts[0]
    seconds = step_seconds(part.config(SEGMENTER, 0), part.dataset)
    assert 0 < seconds < math.inf
    assert not (part.workdir / SEGMENTER.key).exists()


@pytest.mark.slow
def test_a_tiny_cross_validation(table_runs, dataset):
    """Trains one row in two folds: all patients are pooled, and nothing twice."""
    path = make_table(1, table_runs, only=["Pix2Pix"])
    content = json.loads((table_runs.workdir / "table1.json").read_text())
    everyone = sorted(name for names in dataset.splits.values() for name in names)
    for row in ("Pix2Pix", "Atlas"):
        assert sorted(content["results"][row]["subjects"]) == everyone
    assert content["folds"] == 2 and len(content["runs"]["Pix2Pix"]) == 2
    assert "5 patients in 2 folds, each tested once, hash" in path.read_text()
    runs = sorted(table_runs.workdir.glob("fold-*/*/seed-0/metrics.json"))
    assert len(runs) == 4
    before = [run.stat().st_mtime_ns for run in runs]
    assert make_table(1, table_runs, only=["Pix2Pix"]) == path
    assert [run.stat().st_mtime_ns for run in runs] == before
    assert "0.0 hours" in status(1, table_runs, only=["Pix2Pix"])
    _scores_again_as_the_error_says(table_runs, runs[0])


def _scores_again_as_the_error_says(table_runs, metrics):
    """A damaged evaluation is refused; without the file it is scored, not trained."""
    good = metrics.read_text()
    saved = sorted((metrics.parent / "checkpoints").iterdir())
    metrics.write_text(good[: len(good) // 2])
    with pytest.raises(InputError, match="remove the file, and the same command"):
        make_table(1, table_runs, only=["Pix2Pix"])
    metrics.unlink()
    make_table(1, table_runs, only=["Pix2Pix"])
    again = json.loads(metrics.read_text())
    assert again["average"] == json.loads(good)["average"] and "mask_follow" in again
    assert sorted((metrics.parent / "checkpoints").iterdir()) == saved
