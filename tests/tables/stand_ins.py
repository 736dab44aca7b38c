"""Small configs and random scores, in the place of trained runs."""

import importlib.util
from pathlib import Path

import numpy as np

from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import ScoredSlices
from tests.tiny import SEQUENCES, shrink

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
