"""Tables II, V and VI: what segmenters learn from images. Nothing is trained."""

import dataclasses
import json

import numpy as np
import pytest

from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.inference.given_lesions import GivenLesions
from samr_jax.tables import TABLES, augmentation_tables, make_table
from samr_jax.tables import augmentation_study as mixes
from samr_jax.tables.rows import SEGMENTER
from tests.tables import stand_ins


def mixed_results(table_runs, monkeypatch):
    """Stands in for segmenters trained on mixes: every row a seed of its own."""
    dataset, calls = table_runs.dataset, []

    def augmented(own, row, share, *, with_real=True):
        calls.append((row and row.title, share if with_real else "alone"))
        if row:
            own.evaluations(row)
        results = [
            stand_ins.fake_evaluation(dataset, 10 * len(calls) + seed, segments=True)
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
    assert content["shares"] == [4.0] and content["lesions_space"] is None


def test_a_table_says_where_its_lesions_come_from(
    trained_configs, table_runs, monkeypatch
):
    mixed_results(table_runs, monkeypatch)
    own = dataclasses.replace(table_runs, lesions=GivenLesions({"one": None}, "mni"))
    text = make_table(2, own, only=["CG-SAMR"]).read_text()
    assert "from mask files (1), carried from MNI space, hash" in text
    content = json.loads((own.workdir / "table2.json").read_text())
    assert content["lesions"] == ["one"] and content["lesions_space"] == "mni"


def six_patients(dataset, seed, *, segments, fake=stand_ins.fake_evaluation):
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
    monkeypatch.setattr(stand_ins, "fake_evaluation", six_patients)
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


def test_segmenters_of_all_mixes_take_the_same_steps(table_runs):
    slices = len(table_runs.dataset.split("train"))
    assert mixes.real_steps(table_runs, 0) == 2 * (slices // 4)
    assert mixes.volumes_of(table_runs, 1.0) == 3
    assert mixes.volumes_of(table_runs, 0.5) == 2
