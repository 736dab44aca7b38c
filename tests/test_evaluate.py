"""Evaluation of methods that do not do everything, with stand-ins for networks."""

import types

import numpy as np
import pytest

from samr_jax.data.window import unpack
from samr_jax.evaluate import evaluate
from samr_jax.files import read_json
from samr_jax.labels import LABELS


class Segmenter:
    """Stands in for a model that only segments: a fifth of T1w's range is a label."""

    def __init__(self, dataset):
        self.dataset, self.step = dataset, 3
        self.method = types.SimpleNamespace(
            name="Fifths",
            prior="none",
            fields=("labels", "images"),
            can_synthesize=False,
            can_segment=True,
        )

    def segment(self, stored):
        images = stored["images"]
        images = unpack(images) if images.dtype == np.int16 else images
        level = (images[..., 0] + 1) / 2
        return np.eye(len(LABELS))[np.minimum((5 * level).astype(int), 4)]


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
