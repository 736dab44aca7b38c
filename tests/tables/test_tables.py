"""The rows of the tables, the runs behind them and the pages, without training."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.data.splits import split_subjects
from samr_jax.data.write import write_dataset
from samr_jax.evaluation.reports import published as paper
from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import ScoredSlices
from samr_jax.runs.workdir import claim
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import write_json
from samr_jax.tables import TABLES, augmentation_tables, make, make_table
from samr_jax.tables import augmentation_study as mixes
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
from tests.tiny import GRID, SEQUENCES, blob_subject, shrink

CONFIGS = Path("configs")


def config_file(name, variant="demo"):
    spec = importlib.util.spec_from_file_location(name, CONFIGS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(variant)


def tiny(row):
    """The method of a row at the tests' size."""
    return shrink(config_file(row.config, row.variant or "demo"))


def fake_evaluation(dataset, seed, *, segments):
    """Scores of random images and labels."""
    rng = np.random.default_rng(seed)
    items = list(dataset.split("test"))
    labels = np.stack([item["labels"] for item in items])
    subjects = [item["subject"] for item in items]
    heights = [item["slice"] for item in items]
    real = rng.uniform(-1, 1, (*labels.shape, 2))
    result = {
        "method": "fake",
        "anatomy_prior": "none",
        "split": "test",
        "simulated": True,
        "dataset_hash": dataset.content_hash,
        "step": 8,
    }
    if segments:
        dice = DiceScores(dataset.grid.spacing[::-1])
        dice.add(rng.permuted(labels, axis=1), labels, subjects, heights)
        return {**result, "segmentation": dice.summary()}
    scores = slice_scores(SEQUENCES)
    synthesized = np.clip(real + 0.1 * (1 + seed), -1, 1)
    scores.add(ScoredSlices(synthesized, real, labels, subjects, heights))
    return {**result, **scores.summary()}


@pytest.fixture
def trained_configs(monkeypatch):
    """No training: what would have been trained, in order."""
    done = []

    def train(config, directory):
        data = open_dataset(config.data.dir)
        claim(directory, config, {"dataset_hash": data.content_hash})
        segments = config.method in (
            "segmentation",
            "cyclegan",
            "synseg",
            "unit",
            "ucg_samr",
        )
        result = fake_evaluation(data, config.seed, segments=segments)
        done.append((directory.parent.name, config.seed))
        write_json(directory / "metrics.json", result)
        return result

    monkeypatch.setattr(bench, "train_and_evaluate", train)
    monkeypatch.setattr(bench, "load_model", lambda directory: None)
    monkeypatch.setattr(bench, "add_judged_scores", lambda result, *_, **__: result)
    monkeypatch.setattr(bench, "table", lambda result: "")
    monkeypatch.setattr(make, "load_model", lambda directory: None)
    monkeypatch.setattr(make, "evaluate_trivial", lambda *_, **__: {})
    return done


@pytest.fixture
def table_runs(dataset, tmp_path):
    return TableRuns(
        tmp_path / "tables",
        tiny,
        CG_SAMR,
        seeds=(0, 1),
        overrides={"data.dir": str(dataset.directory)},
    )


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


def test_other_shares_of_further_volumes(trained_configs, table_runs, monkeypatch):
    calls = mixed_results(table_runs, monkeypatch)
    own = dataclasses.replace(table_runs, shares=(4.0,))
    text = make_table(2, own, only=["CG-SAMR"]).read_text()
    assert calls == [("CG-SAMR", 4.0), (None, 4.0), ("CG-SAMR", "alone")]
    assert "12 further + 3 real volumes" in text and "0 further + 3 real" in text
    # The paper has no such mix.
    assert "(0.807)" not in text and "(0.647)" in text
    content = json.loads((own.workdir / "table2.json").read_text())
    assert list(content["results"]) == ["4", "0", "alone"]


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


def mixed_results(table_runs, monkeypatch):
    """Stands in for segmenters trained on mixes: every row a seed of its own."""
    dataset, calls = table_runs.dataset, []

    def augmented(own, row, share, *, with_real=True):
        calls.append((row and row.title, share if with_real else "alone"))
        if row:
            own.evaluations(row)
        results = [
            fake_evaluation(dataset, 10 * len(calls) + seed, segments=True)
            for seed in own.seeds
        ]
        return results

    def directories(own, row, share, *, with_real=True):
        return own.directories(SEGMENTER)

    monkeypatch.setattr(augmentation_tables, "augmented_evaluations", augmented)
    monkeypatch.setattr(augmentation_tables, "augmented_directories", directories)
    return calls


def test_augmentation_table_has_a_block_a_mix(trained_configs, table_runs, monkeypatch):
    calls = mixed_results(table_runs, monkeypatch)
    text = make_table(2, table_runs, only=["SAMR", "CG-SAMR"]).read_text()
    names = ["SAMR", "CG-SAMR", None]
    mixes = [(name, share) for share in (1.0, 0.5) for name in names]
    assert calls == [*mixes, ("SAMR", "alone"), ("CG-SAMR", "alone")]
    assert text.count("Geometric augmentation") >= 2
    assert "3 further + 3 real volumes" in text and "2 further + 3 real" in text
    for published in ("(0.807)", "(0.760)", "(0.647)"):
        assert published in text
    content = json.loads((table_runs.workdir / "table2.json").read_text())
    gain = content["results"]["1"]["CG-SAMR"]["dice"]["gain"]["tumor"]
    ours = content["results"]["1"]["CG-SAMR"]["dice"]["subjects"]
    base = content["results"]["0"]["Baseline"]["dice"]["subjects"]
    # One test patient has no interval.
    assert len(ours) == len(base) == 1 and gain is None


def six_patients(dataset, seed, *, segments, fake=fake_evaluation):
    """Scores as of `fake_evaluation`, but of enough patients for intervals."""
    rng = np.random.default_rng(seed)
    dice = DiceScores(dataset.grid.spacing[::-1])
    reference = np.random.default_rng(0).integers(0, 5, (6, 8, 8))
    found = np.where(rng.random(reference.shape) < 0.5, reference, 2)
    dice.add(found, reference, [f"patient {i}" for i in range(6)], [0] * 6)
    segmentation = {"segmentation": dice.summary()} if segments else {}
    return {**fake(dataset, seed, segments=segments), **segmentation}


def test_table_2_ends_with_segmenters_of_synthesized_images_alone(
    trained_configs, table_runs, monkeypatch
):
    """Their gains are over real images alone, and are corrected with all others."""
    monkeypatch.setitem(globals(), "fake_evaluation", six_patients)
    mixed_results(table_runs, monkeypatch)
    text = make_table(2, table_runs, only=["SAMR", "CG-SAMR"]).read_text()
    page = text[text.index("trained on synthesized images, tested on real") :]
    rows = [line.split("|")[1].strip() for line in page.splitlines() if "|" in line]
    assert rows[2:5] == ["Baseline", "SAMR", "CG-SAMR"]
    # Three rows in each of two mixes and two rows alone, with three labels.
    assert page.count("correction for 24 comparisons") == 1
    content = json.loads((table_runs.workdir / "table2.json").read_text())
    base = content["results"]["0"]["Baseline"]["dice"]["subjects"]
    assert list(content["results"]["alone"]) == ["SAMR", "CG-SAMR"]
    for title, result in content["results"]["alone"].items():
        ours = result["dice"]["subjects"]
        gains = [ours[name]["edema"] - base[name]["edema"] for name in base]
        assert result["dice"]["gain"]["edema"]["mean"] == pytest.approx(np.mean(gains))
        assert f"{result['dice']['dice']['edema']:.3f}" in page
        assert content["runs"][f"{title}, images alone"]


def test_table_6_says_what_a_segmenter_learns_from_each_rows_images_alone(
    trained_configs, table_runs, monkeypatch
):
    calls = mixed_results(table_runs, monkeypatch)
    own = dataclasses.replace(table_runs, budget=TABLES[6].budget)
    text = make_table(6, own).read_text()
    assert calls == [(row.title, "alone") for row in TABLES[6].rows]
    page = text[text.index("trained on synthesized images, tested on real") :]
    rows = [line.split("|")[1].strip() for line in page.splitlines() if "|" in line]
    assert rows[2:5] == ["Real images", "Shin et al.", "CG-SAMR + anatomy"]
    content = json.loads((own.workdir / "table6.json").read_text())
    for row in TABLES[6].rows:
        dice = content["results"][row.title]["trained_on_synthesized"]["dice"]
        assert f"{dice['edema']:.3f}" in page


def test_ablation_table_joins_both_halves(trained_configs, table_runs, monkeypatch):
    mixed_results(table_runs, monkeypatch)
    text = make_table(5, table_runs, only=["w/o Atlas", "CG-SAMR"]).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| w/o Atlas")]
    assert "(0.689)" in rows[0] and "(66.4)" in rows[0] and "(61.7)" in rows[0]
    content = json.loads((table_runs.workdir / "table5.json").read_text())
    run = content["runs"]["w/o Atlas"][0]
    assert run["config"]["ablation.atlas"] is False
    assert run["config"]["ablation.confidence"] is True


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


def test_segmenters_of_all_mixes_take_the_same_steps(table_runs):
    slices = len(table_runs.dataset.split("train"))
    assert mixes.real_steps(table_runs, 0) == 2 * (slices // 4)
    assert mixes.volumes_of(table_runs, 1.0) == 3
    assert mixes.volumes_of(table_runs, 0.5) == 2
