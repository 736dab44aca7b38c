"""The rows of the tables, the runs behind them and the pages, without training."""

import dataclasses
import json

import numpy as np
import pytest

from samr_jax.data.splits import split_subjects
from samr_jax.data.write import write_dataset
from samr_jax.evaluation.reports import published as paper
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import write_json
from samr_jax.tables import TABLES, make, make_table
from samr_jax.tables import table_runs as bench
from samr_jax.tables.make import chosen_rows
from samr_jax.tables.rows import (
    ABLATIONS,
    ANATOMY,
    CG_SAMR,
    MIXES,
    PACKAGED_START,
    PAIRED,
    SEGMENTER,
    UNPAIRED,
    Row,
)
from samr_jax.tables.table_runs import TableRuns, check_comparable
from tests.commands import launch
from tests.tables.stand_ins import config_file, fake_evaluation, tiny
from tests.tiny import GRID, SEQUENCES, blob_subject


def test_rows_are_the_papers():
    for table in TABLES.values():
        names = list(table.published)
        if table.kind == "augmentation":
            names = list(paper.TABLE_2[MIXES[1.0]])
        if names:
            assert sorted(row.title for row in table.rows) == sorted(names)
        assert table.budget in table.rows
    assert len({row.key for row in (*PAIRED, *UNPAIRED, *ABLATIONS, SEGMENTER)}) == 15
    assert (
        Row("w/o Atlas", "paired", {"ablation.atlas": False}).key == "paired-no_atlas"
    )


@pytest.mark.parametrize("variant", ["paper", "demo"])
def test_every_row_has_a_config_and_the_budgets_epochs(tmp_path, variant):
    for table in TABLES.values():
        own = TableRuns(
            tmp_path,
            lambda row: config_file(row.config, row.variant or variant),
            table.budget,
        )
        budget = own.config(table.budget, 0)
        for row in table.rows:
            config = own.config(row, 3)
            assert config.seed == 3
            assert config.epochs == budget.epochs
            assert config.data.to_dict() == budget.data.to_dict()
            if row != PACKAGED_START:
                assert all(field.startswith("ablation.") for field in row.overrides)
                assert not any(row.overrides.values())
        segmenter = own.config(SEGMENTER, 0)
        assert segmenter.epochs == config_file("segmentation", variant).epochs
        assert segmenter.data.to_dict() == budget.data.to_dict()


def test_fields_of_the_segmenter_go_before_those_of_all_rows(tmp_path):
    own = TableRuns(
        tmp_path,
        tiny,
        CG_SAMR,
        overrides={"steps": 150, "learning_rate": 1e-3},
        segmenter={"steps": 800, "model.unet_channels": 16},
    )
    segmenter, other = own.config(SEGMENTER, 0), own.config(CG_SAMR, 0)
    assert (segmenter.steps, segmenter.learning_rate) == (800, 1e-3)
    assert segmenter.model.unet_channels == 16
    assert (other.steps, other.model.unet_channels) == (
        150,
        tiny(CG_SAMR).model.unet_channels,
    )
    assert own.config(SEGMENTER, 0, steps=9).steps == 9
    wrong = dataclasses.replace(own, segmenter={"model.ngf": 3})
    with pytest.raises(InputError, match=r"config has no field model\.ngf"):
        wrong.config(SEGMENTER, 0)


def test_rows_on_request_are_made_if_asked_for():
    table, rows = chosen_rows(2, [])
    assert rows == table.rows == PAIRED
    asked = [PACKAGED_START.title, "SAMR"]
    assert [row.title for row in chosen_rows(2, asked)[1]] == asked[::-1]
    # A flag separates titles by commas.
    assert all(
        "," not in row.title
        for t in TABLES.values()
        for row in (*t.rows, *t.on_request)
    )


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"model.width": 3}, "config has no field model.width"),
        ({"batch_size": "many"}, "config.batch_size is 'many'"),
        ({"data.dir": "nowhere"}, "nowhere: no dataset.json"),
    ],
)
def test_wrong_overrides_are_one_line(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        _ = TableRuns(tmp_path, tiny, CG_SAMR, overrides=overrides).dataset


def test_finished_runs_are_taken_again(trained_configs, table_runs, dataset):
    make_table(1, table_runs, only=["Pix2Pix", "CG-SAMR"])
    expected = [("pix2pix", 0), ("pix2pix", 1), ("paired", 0), ("paired", 1)]
    assert sorted(trained_configs) == sorted([*expected, ("segmentation", 0)])
    make_table(1, table_runs, only=["CG-SAMR"])
    assert len(trained_configs) == 5
    make_table(1, dataclasses.replace(table_runs, seeds=(0, 2)), only=["CG-SAMR"])
    assert trained_configs[5:] == [("paired", 2)]


def test_a_table_says_what_it_is_made_of(trained_configs, table_runs, dataset):
    path = make_table(1, table_runs, only=["Pix2Pix", "CG-SAMR"])
    content = json.loads((table_runs.workdir / "table1.json").read_text())
    assert content["seeds"] == [0, 1]
    assert content["dataset"]["hash"] == dataset.content_hash
    scores = [
        fake_evaluation(dataset, seed, segments=False)["average"]["psnr"]
        for seed in (0, 1)
    ]
    ours = content["results"]["CG-SAMR"]
    assert ours["average"]["psnr"] == pytest.approx(np.mean(scores))
    spread = ours["spread"]["average"]["psnr"]
    assert spread == pytest.approx(np.std(scores, ddof=1))
    assert content["published"]["CG-SAMR"]["average"]["psnr"] == 21.8
    run = content["runs"]["CG-SAMR"][1]
    assert run["seed"] == 1 and run["images_seen"] == 8 * 4
    assert run["config"]["method"] == "cg_samr"
    assert {"seconds", "device", "commit"} <= set(run)
    text = path.read_text()
    assert f"{np.mean(scores):.1f} ± {spread:.1f}" in text
    # Of the paper's sequences the tiny dataset has two, so its averages are its own.
    assert "(67.3)" in text and "(21.8)" not in text
    assert "8 steps of 4 (32 images)" in text


def test_segmentation_table_has_the_upper_bound(trained_configs, table_runs):
    own = dataclasses.replace(table_runs, budget=TABLES[4].budget)
    text = make_table(4, own).read_text()
    rows = [line.split("|")[1].strip() for line in text.splitlines() if "|" in line]
    assert rows[2:] == ["CycleGAN", "SynSeg-Net", "UNIT", "UCG-SAMR", "U-Net"]
    assert "(0.630)" in text


def test_runs_of_different_splits_or_datasets_are_refused(
    trained_configs, table_runs, dataset
):
    make_table(1, table_runs, only=["SAMR", "CG-SAMR"])
    path = table_runs.workdir / "paired" / "seed-1" / "metrics.json"
    good = json.loads(path.read_text())
    write_json(path, {**good, "split": "val"})
    with pytest.raises(InputError, match=r"CG-SAMR, run 2: .*'val', expected 'test'"):
        make_table(1, table_runs, only=["SAMR", "CG-SAMR"])
    with pytest.raises(InputError, match="b: evaluated on dataset_hash 'x', expected"):
        check_comparable({"a": good, "b": {**good, "dataset_hash": "x"}})
    longer = dataclasses.replace(
        table_runs, overrides={**table_runs.overrides, "steps": 9}
    )
    with pytest.raises(InputError, match="steps is 0, this run has 9; expected the s"):
        make_table(1, longer, only=["SAMR"])


def test_missing_tissue_is_said_before_any_training(trained_configs, tmp_path):
    def without(index):
        return dataclasses.replace(blob_subject(index), tissue=None)

    names = [f"blob-{index}" for index in range(4)]
    bare = write_dataset(
        tmp_path / "bare",
        [lambda index=index: without(index) for index in range(4)],
        grid=GRID,
        sequences=SEQUENCES,
        splits=split_subjects(names),
        workers=1,
    )
    own = TableRuns(
        tmp_path / "t", tiny, CG_SAMR, overrides={"data.dir": str(bare.directory)}
    )
    with pytest.raises(InputError, match=r"no tissue maps.*Shin et al\. needs"):
        make_table(1, own)
    assert not trained_configs and not (tmp_path / "t").exists()
    make_table(1, own, only=["CG-SAMR"])


@pytest.mark.parametrize(
    "number, only, message",
    [
        (7, [], "table=7, expected one of 1, 2"),
        (1, ["UNIT"], "row 'UNIT', expected some"),
    ],
)
def test_unknown_tables_and_rows(table_runs, number, only, message):
    with pytest.raises(InputError, match=message):
        make_table(number, table_runs, only=only)


def test_rows_without_a_network_are_scored_once(
    trained_configs, table_runs, monkeypatch
):
    scored = []

    def score(dataset, split, **_):
        scored.append(dataset.content_hash)
        return {"Atlas": fake_evaluation(dataset, 3, segments=False)}

    monkeypatch.setattr(make, "evaluate_trivial", score)
    first = make_table(1, table_runs, only=["CG-SAMR"]).read_text()
    again = make_table(1, table_runs, only=["CG-SAMR"]).read_text()
    assert again == first and "| Atlas |" in first
    assert len(scored) == 1
    path = table_runs.workdir / make.TRIVIAL
    path.write_text(path.read_text().replace(scored[0], "of another dataset"))
    make_table(1, table_runs, only=["CG-SAMR"])
    assert len(scored) == 2


def test_a_row_that_starts_from_the_packaged_weights(table_runs):
    assert PACKAGED_START.key == "anatomy-packaged"
    config = table_runs.config(PACKAGED_START, 0)
    assert config.start_from == "packaged"
    assert config.model.noise == 3  # as in the packaged weights
    scratch = table_runs.config(ANATOMY, 0)
    assert (scratch.start_from, scratch.epochs) == ("", config.epochs)


def test_networks_that_do_not_fit_are_said_before_any_training(
    trained_configs, table_runs
):
    def deep_segmenter(row):
        config = tiny(row)
        if row == SEGMENTER:
            config.model.unet_depth = 6
        return config

    deep = dataclasses.replace(table_runs, configs=deep_segmenter)
    with pytest.raises(InputError, match="of 32 x 32, expected a multiple of 64"):
        make_table(1, deep, only=["CG-SAMR"])
    assert not trained_configs


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--table=1", "--seeds=0,0"], "--seeds=0,0, expected such as 0,1,2"),
        (["--table=1", "--variant=huge"], "--variant: variant 'huge'"),
    ],
)
def test_wrong_commands_are_one_line(arguments, message):
    assert message in launch("tables", *arguments).error


def test_a_stopped_run_says_how_to_go_on(trained_configs, table_runs, monkeypatch):
    monkeypatch.setattr(bench, "train_and_evaluate", lambda *_: None)
    with pytest.raises(TrainingError, match="the same command goes on"):
        make_table(1, table_runs, only=["CG-SAMR"])
