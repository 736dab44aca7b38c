"""Distances to training slices, against all pairs."""

import numpy as np
import pytest

from samr_jax.evaluation.scores.memorisation import NearestTraining
from samr_jax.evaluation.scores.score import ScoredSlices

pytestmark = pytest.mark.quick


def add(nearest, synthesized, real):
    labels = np.zeros(real.shape[:-1], np.uint8)
    count = range(len(real))
    nearest.add(ScoredSlices(synthesized, real, labels, count, count))


def test_distance_to_the_nearest_training_slice():
    """Against all pairs; with a block size that features are means over."""
    rng = np.random.default_rng(6)
    training = rng.uniform(-1, 1, (7, 128, 128, 2))
    real = rng.uniform(-1, 1, (3, 128, 128, 2))
    synthesized = np.stack([training[2], training[5] + 0.25, real[0]])
    nearest = NearestTraining(training)
    add(nearest, synthesized[:2], real[:2])
    add(nearest, synthesized[2:], real[2:])
    blocks = [
        images.reshape(-1, 64, 2, 64, 2, 2).mean((2, 4))
        for images in (synthesized, real, training)
    ]

    def distances(images):
        pairs = np.square(images[:, None] - blocks[2][None]).mean((2, 3, 4))
        return np.sqrt(pairs.min(axis=1))

    ours, theirs = distances(blocks[0]), distances(blocks[1])
    np.testing.assert_allclose(ours[:2], [0, 0.25], atol=1e-6)
    summary = nearest.summary()
    assert summary["ratio"] == pytest.approx(np.median(ours / theirs), rel=1e-4)
    assert summary["lowest"] == pytest.approx(0, abs=1e-6)
    assert summary["real"] == pytest.approx(theirs.mean(), rel=1e-4)
    assert summary["training_slices"] == 7


def test_no_ratio_where_every_real_slice_is_a_training_slice():
    images = np.random.default_rng(7).uniform(-1, 1, (2, 8, 8, 1))
    nearest = NearestTraining(images)
    add(nearest, images + 0.5, images)
    assert nearest.summary()["ratio"] is None
    assert nearest.summary()["synthesized"] == pytest.approx(0.5, rel=1e-5)
