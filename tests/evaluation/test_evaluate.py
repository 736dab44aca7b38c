"""Evaluation of methods that do not do everything, with stand-ins for networks."""

import types

import numpy as np
import pytest

from samr_jax.data.window import unpack
from samr_jax.evaluation.baselines import evaluate_trivial
from samr_jax.evaluation.evaluate import add_judged_scores, evaluate
from samr_jax.evaluation.scores import registry
from samr_jax.evaluation.scores.score import Column, ScoreKind
from samr_jax.labels import LABELS, NORMAL
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from tests.stand_ins import Painter, Segmenter


def files(directory):
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*.*")}


def test_a_method_that_only_segments(dataset, tmp_path):
    model = Segmenter(dataset)
    result = evaluate(model, dataset, "test", tmp_path, batch_size=2)
    assert files(tmp_path) == {"metrics.json", "table.md", "figures/segmentation.png"}
    assert read_json(tmp_path / "metrics.json") == result
    assert "average" not in result and "intervals" not in result
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    images = np.stack([item["images"] for item in dataset.split("test")])
    found = model.segment({"images": images}).argmax(-1)
    both = np.sum((found == 4) & (labels == 4))
    expected = 2 * both / (np.sum(found == 4) + np.sum(labels == 4))
    assert result["segmentation"]["dice"]["tumor"] == pytest.approx(expected)
    table = (tmp_path / "table.md").read_text()
    assert "Segmentation by Fifths on the test split" in table and "SSIM" not in table


def test_a_synthesis_that_shows_its_mask_is_followed(dataset, tmp_path):
    """The segmenter finds what was painted, whatever it finds in the real images."""
    model, segmenter = Painter(dataset), Segmenter(dataset)
    result = evaluate(
        model, dataset, "test", tmp_path, batch_size=2, segmenter=segmenter
    )
    follow = result["mask_follow"]
    assert set(follow["synthesized"]["dice"].values()) == {1.0}
    alone = evaluate(segmenter, dataset, "test", tmp_path / "seg", batch_size=2)
    assert follow["real"]["dice"] == alone["segmentation"]["dice"]
    table = (tmp_path / "table.md").read_text()
    assert "| Painter | 1.000 | 1.000 | 1.000 |" in table
    plain = {name: value for name, value in result.items() if name != "mask_follow"}
    again = add_judged_scores(plain, model, segmenter, dataset, batch_size=4)
    assert again == result


def test_evaluation_asks_how_close_training_images_are(dataset, tmp_path):
    result = evaluate(Painter(dataset), dataset, "test", tmp_path, batch_size=2)
    training = len(dataset.split("train"))
    assert result["memorisation"]["training_slices"] == training
    figures = {"figures/comparison.png", "figures/sections.png"}
    assert figures | {"metrics.json", "table.md"} == files(tmp_path)
    seen = evaluate(Painter(dataset), dataset, "train", tmp_path / "t", batch_size=2)
    assert "memorisation" not in seen


def test_trivial_rows_are_scored_as_methods_are(dataset):
    results = evaluate_trivial(
        dataset, "test", batch_size=2, segmenter=Segmenter(dataset)
    )
    assert list(results) == ["Atlas", "Atlas, label means"]
    items = list(dataset.split("test"))
    labels = np.stack([item["labels"] for item in items])
    real = unpack(np.stack([item["images"] for item in items]))
    atlas = unpack(np.stack([item["atlas"] for item in items]))[..., [1, 4]]
    error = np.mean(np.square((real - atlas) * 127.5), axis=(1, 2))
    expected = np.mean(10 * np.log10(255**2 / np.maximum(error, 1 / 12)))
    assert results["Atlas"]["average"]["psnr"] == pytest.approx(expected, abs=1e-3)
    means = {}
    train = list(dataset.split("train"))
    every = np.stack([item["labels"] for item in train])
    images = unpack(np.stack([item["images"] for item in train]))
    for code in range(len(LABELS)):
        means[code] = images[every == code].mean(0)
    painted = atlas.copy()
    for code in set(means) - {NORMAL}:
        painted[labels == code] = means[code]
    right = np.abs(painted - real)[labels == 4] * 127.5 <= 16
    ours = results["Atlas, label means"]
    assert ours["average"]["tumor"] == pytest.approx(100 * right.mean(), abs=0.1)
    for result in results.values():
        assert result["anatomy_prior"] == "atlas"
        assert result["dataset_hash"] == dataset.content_hash
        assert {"mask_follow", "memorisation", "intervals"} <= set(result)


class MeanIntensity:
    """A toy score: the mean of the synthesized images."""

    def __init__(self):
        self._means = []

    def add(self, slices):
        self._means.append(slices.synthesized.mean())

    def summary(self):
        return {"mean": float(np.mean(self._means)), "real": -0.5}


def test_a_score_is_a_file_and_a_line(dataset, tmp_path, monkeypatch):
    """What the registry lists is measured, written and printed."""
    toy = ScoreKind(
        name="toy",
        make=lambda setting: MeanIntensity() if setting.split == "test" else None,
        columns=(
            Column("Toy", "{:.2f}", lambda found: found["mean"], lambda f: f["real"]),
        ),
        note="Toy: the mean intensity.",
    )
    monkeypatch.setattr(registry, "SCORE_KINDS", (*registry.SCORE_KINDS, toy))
    result = evaluate(Painter(dataset), dataset, "test", tmp_path, batch_size=2)
    mean = read_json(tmp_path / "metrics.json")["toy"]["mean"]
    assert mean == result["toy"]["mean"]
    table = (tmp_path / "table.md").read_text()
    assert "| Toy |" in table and "Toy: the mean intensity." in table
    beyond = table[table.index("# Beyond the paper") :]
    rows = [line.split(" | ") for line in beyond.splitlines() if line.startswith("| ")]
    place = rows[0].index("Toy")
    found = {row[0].removeprefix("| "): row[place] for row in rows}
    assert found["Painter"] == f"{mean:.2f}" and found["(real images)"] == "-0.50"
    other = evaluate(Painter(dataset), dataset, "val", tmp_path / "v", batch_size=2)
    assert "toy" not in other


def test_a_segmenter_of_other_sequences_is_refused(dataset, tmp_path):
    other = Segmenter(types.SimpleNamespace(sequences=("T2w",)))
    with pytest.raises(InputError, match=r"expected \('T2w',\) as in training"):
        evaluate(
            Painter(dataset), dataset, "test", tmp_path, batch_size=2, segmenter=other
        )
