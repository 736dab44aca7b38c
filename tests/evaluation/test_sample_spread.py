"""The spread of samples, of methods whose distribution is known."""

import numpy as np
import pytest

from samr_jax.data.window import unpack
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.evaluation.scores.edits import largest_lesions
from samr_jax.evaluation.scores.sample_spread import SAMPLES, sample_spread
from tests.stand_ins import Painter


def real_of(instances):
    return unpack(np.stack([item["images"] for item in instances])).astype(np.float64)


def drawing(scale_of):
    """A method that adds noise of a scale to the real image. It stands in for one whose
    samples and the real image are draws from one distribution, if what the real image
    differs by is drawn, too."""

    def synthesize(instances, seed):
        real = real_of(instances)
        scale = scale_of(np.stack([item["labels"] for item in instances]))[..., None]
        own, noise = (
            np.random.default_rng(one).normal(size=real.shape) for one in (99, seed)
        )
        return real + scale * (noise - own)

    return synthesize


def test_samples_of_the_right_distribution_are_calibrated(dataset):
    slices = dataset.split("test")
    method = drawing(lambda labels: np.where(labels > 1, 0.3, 0.03))
    found = sample_spread(slices, method)
    assert found["samples"] == SAMPLES
    assert found["patients"] == len(largest_lesions(slices))
    for scores in found["sequences"].values():
        assert scores["mean_predicted"] == pytest.approx(
            scores["mean_observed"], rel=0.1
        )
        assert scores["sparsification"]["gain"] > 0.5


def test_samples_that_differ_too_little_are_found_out(dataset):
    def timid(instances, seed):
        noise = np.random.default_rng(seed).normal(size=real_of(instances).shape)
        return real_of(instances) + 0.2 + 0.001 * noise

    found = sample_spread(dataset.split("test"), timid)
    for scores in found["sequences"].values():
        assert scores["calibration_error"] == pytest.approx(0.2, abs=0.01)
        assert abs(scores["sparsification"]["gain"]) < 0.2


def test_a_method_without_noise_has_no_samples(dataset, tmp_path):
    result = evaluate(Painter(dataset), dataset, "test", tmp_path, batch_size=2)
    assert "sample_spread" not in result
