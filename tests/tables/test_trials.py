"""Equal chances: learning rates from one grid, by validation patients alone."""

import dataclasses
import json

import pytest

from samr_jax.config import default, flatten
from samr_jax.runs.workdir import claim
from samr_jax.runtime.errors import DivergenceError, InputError, TrainingError
from samr_jax.runtime.files import read_json
from samr_jax.tables import trials
from samr_jax.tables.rows import CG_SAMR, SEGMENTER, Row
from samr_jax.tables.status import plan
from samr_jax.tables.table_runs import TableRuns
from samr_jax.tables.trials import Grid, choices_page, choose, finished
from tests.commands import launch
from tests.tables.stand_ins import tiny

PIX2PIX = Row("Pix2Pix", "pix2pix")
GRID = Grid((1e-3, 3e-3), (1.0, 4.0), steps=6)


@pytest.fixture
def table_runs(dataset, tmp_path):
    overrides = {"data.dir": str(dataset.directory)}
    return TableRuns(
        tmp_path / "t", tiny, CG_SAMR, seeds=(0, 1), overrides=overrides, grid=GRID
    )


@pytest.fixture
def trained(monkeypatch, dataset):
    """No training: the best validation score comes at (1e-3, 4); 3e-3 diverges."""
    done = []

    def train(config, directory):
        done.append(directory.name)
        assert config.steps == GRID.steps
        claim(directory, config, {"dataset_hash": dataset.content_hash})
        if config.learning_rate > 2e-3:
            raise DivergenceError("step 1: gen/total is nan")
        score = 0.5 + 0.1 * dict(flatten(config)).get("disc_lr_scale", 0)
        lines = [
            {"step": 3, "val/score": score},
            {"step": 6, "gen/total": 1.0},
            {"step": 6, "val/score": score - 0.2},
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (directory / "metrics.jsonl").write_text(text)
        return True

    monkeypatch.setattr(trials, "train", train)
    return done


def test_a_method_without_discriminators_has_no_rate_for_them():
    own = GRID.candidates(default("segmentation"))
    assert own == [{"learning_rate": 1e-3}, {"learning_rate": 3e-3}]
    assert len(GRID.candidates(default("pix2pix"))) == 4


def test_the_best_validation_score_decides_in_every_run_of_the_row(table_runs, trained):
    before = table_runs.config(PIX2PIX, 1)
    choices = table_runs.choose([SEGMENTER, PIX2PIX])
    (choice,) = choices["Pix2Pix"]
    assert choice["fields"] == {"learning_rate": 1e-3, "disc_lr_scale": 4.0}
    assert [s["score"] for s in choice["scores"]] == [0.6, 0.9, None, None]
    after = table_runs.config(PIX2PIX, 1)
    changed = {
        name: value
        for name, value in flatten(after).items()
        if value != flatten(before)[name]
    }
    assert changed.items() <= choice["fields"].items() and "disc_lr_scale" in changed
    page = choices_page(choices, GRID)
    assert "- Pix2Pix: 0.001, 4." in page and "- U-Net: 0.001." in page
    # A second call trains what has no score, which is what had diverged.
    trained.clear()
    table_runs.choose([PIX2PIX])
    assert trained == ["0.003-1", "0.003-4"]


def test_without_a_grid_the_config_decides(table_runs, trained):
    plain = dataclasses.replace(table_runs, grid=None)
    assert plain.choose([PIX2PIX]) == {} and trained == []
    table_runs.choose([PIX2PIX])
    file = tiny(PIX2PIX)
    assert plain.config(PIX2PIX, 0).disc_lr_scale == file.disc_lr_scale


def test_no_validation_patients_no_choice(table_runs, dataset, tmp_path):
    splits = {**dataset.splits, "val": ()}
    alone = dataclasses.replace(dataset, splits=splits)
    with pytest.raises(InputError, match=r"no validation patients.*expected one"):
        choose(table_runs.config(PIX2PIX, 0), tmp_path, alone, GRID)


def test_a_grid_on_which_everything_diverges(table_runs, trained):
    wild = dataclasses.replace(
        table_runs, grid=dataclasses.replace(GRID, learning_rates=(3e-3,))
    )
    with pytest.raises(TrainingError, match=r"pix2pix: all trials have diverged"):
        wild.choose([PIX2PIX])


def test_status_counts_trials(table_runs, trained):
    def counts():
        return {p.title: (len(p.finished), p.steps_left) for p in plan(1, table_runs)}

    assert counts()["Trials of Pix2Pix"] == (0, 24)
    table_runs.choose([PIX2PIX])
    assert counts()["Trials of Pix2Pix"] == (2, 12)
    assert counts()["Trials of U-Net"] == (0, 12)


@pytest.mark.parametrize(
    "name, content, found",
    [
        ("choice.json", "{}", "choice.json: fields is missing"),
        ("choice.json", '{"fields": {"learning_rate": NaN}}', "learning_rate is NaN"),
        ("choice.json", '{"fields": {"learning_rate', "choice.json: not readable"),
        ("0.001-1/metrics.jsonl", '{"val/score": 1}', "score 1.step is missing"),
        (
            "0.001-1/metrics.jsonl",
            '{"step": 6, "val/score": 1}\n{"step": 6, "val/score": null}',
            "score 2.val/score is null, expected a number",
        ),
        ("0.001-1/metrics.jsonl", '{"step": 6, "val', "metrics.jsonl: field missing"),
        ("0.001-1/metrics.jsonl", "\udcc0", "metrics.jsonl: field missing"),
        ("0.001-1/metrics.jsonl", "[" * 10**5, "metrics.jsonl: nested too deeply"),
    ],
)
def test_damaged_trials_are_named(name, content, found, table_runs, trained):
    table_runs.choose([PIX2PIX])
    text = content.encode(errors="surrogateescape")
    (table_runs.trials(PIX2PIX) / name).write_bytes(text)
    with pytest.raises(InputError, match=found):
        table_runs.config(PIX2PIX, 0)
        table_runs.choose([PIX2PIX])


def test_a_real_trial_leaves_the_test_patients_alone(table_runs):
    small = dataclasses.replace(table_runs, grid=Grid((1e-3,), steps=2), seeds=(0,))
    (choice,) = small.choose([SEGMENTER])["U-Net"]
    directory = small.trials(SEGMENTER) / "0.001"
    assert finished(directory, 2)
    assert not (directory / "metrics.json").exists()
    assert choice == read_json(small.trials(SEGMENTER) / "choice.json")
    assert 0 <= choice["scores"][0]["score"] <= 1


@pytest.mark.parametrize(
    "flags, found",
    [
        (["--learning_rates=fast"], "--learning_rates=fast"),
        (["--learning_rates=1e-3", "--disc_lr_scales=0"], "--disc_lr_scales=0"),
        (["--learning_rates=1e-3,1e-3"], "--learning_rates=1e-3,1e-3"),
        (["--table=2", "--shares=all"], "--shares=all"),
        (["--seeds=0,1,0"], "--seeds=0,1,0"),
        (["--seeds=" + "9" * 5000], "--seeds=" + "9" * 80),
    ],
)
def test_numbers_are_checked(flags, found, tmp_path):
    done = launch("tables", "--table=1", f"--workdir={tmp_path}", *flags)
    assert done.returncode == 1 and f"{found}, expected such as" in done.stderr


@pytest.mark.parametrize(
    "flags, found",
    [
        (["--trial_steps=5"], "--trial_steps without --learning_rates"),
        (["--disc_lr_scales=1,4"], "--disc_lr_scales without --learning_rates"),
        (
            ["--learning_rates=1e-3", "--set=learning_rate=0.1"],
            "--set or --segmenter with learning_rate=... and --learning_rates",
        ),
        (
            ["--learning_rates=1e-3", "--segmenter=learning_rate=0.1"],
            "--set or --segmenter with learning_rate=... and --learning_rates",
        ),
        (["--segmenter=steps"], "--segmenter=steps, expected field=value"),
        (["--labels=brats2024"], "--labels without --masks, expected both"),
        (["--masks_space=mni"], "--masks_space without --masks, expected both"),
        (["--shares=1"], "--shares and --table=1, expected --table=2"),
        (["--masks=x"], "--masks and --table=1, expected --table=2"),
        (["--train_patients=4"], "--train_patients without --folds, expected both"),
    ],
)
def test_flags_that_would_have_no_effect_are_refused(flags, found, tmp_path):
    done = launch("tables", "--table=1", f"--workdir={tmp_path}", *flags)
    assert done.returncode == 1 and found in done.stderr
