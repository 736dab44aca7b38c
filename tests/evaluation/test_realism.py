"""Measures of realism against closed forms."""

import dataclasses
import types

import jax
import numpy as np
import pytest
from scipy import ndimage

from samr_jax.benchmark.measure import random_batch
from samr_jax.config import default, method_of
from samr_jax.evaluation.features import innermost_features
from samr_jax.evaluation.scores import brain_ssim as brain_ssim_module
from samr_jax.evaluation.scores.brain_ssim import BrainSsim
from samr_jax.evaluation.scores.feature_distance import (
    FeatureDistance,
    compared,
    density_coverage,
    kid,
)
from samr_jax.evaluation.scores.intensity import to_metric_range
from samr_jax.evaluation.scores.intensity_error import IntensityError
from samr_jax.evaluation.scores.score import Judge, RealSlices, ScoredSlices, Setting
from samr_jax.evaluation.scores.sharpness import Sharpness
from samr_jax.evaluation.scores.similarity import ssim_map
from samr_jax.evaluation.scores.slice_steps import SliceSteps
from samr_jax.evaluation.scores.spectrum import (
    HIGHEST,
    LOWEST,
    Spectrum,
    power_spectrum,
)
from samr_jax.labels import EDEMA, NORMAL, TUMOR
from samr_jax.methods.base import Context
from samr_jax.methods.batch import decode
from samr_jax.runs.model import Model, load_model
from tests.tiny import NETWORKS, shrink

SEQUENCES = ("T1w", "FLAIR")


def setting(training=None, **options):
    """A setting with given training slices."""
    dataset = types.SimpleNamespace(sequences=SEQUENCES)
    out = Setting(dataset, "test", **options)
    out.__dict__["training"] = training
    return out


def slices(synthesized, real, labels=None, subjects=None):
    if labels is None:
        labels = np.full(real.shape[:-1], NORMAL)
    subjects = ["a"] * len(real) if subjects is None else subjects
    return ScoredSlices(synthesized, real, labels, subjects, range(len(real)))


def training(images, labels=None):
    if labels is None:
        labels = np.full(images.shape[:-1], NORMAL)
    return RealSlices(images, labels, ["t"] * len(images), range(len(images)))


def noise(seed, shape=(12, 64, 64, 2)):
    return np.random.default_rng(seed).normal(0, 0.2, shape)


def summary_of(score, *batches):
    for batch in batches:
        score.add(batch)
    return score.summary()


def test_spectrum_of_a_scaled_image_is_off_by_the_scale_in_decibels():
    real = noise(0)
    synthesized = real * np.array([0.5, 2.0])
    found = summary_of(Spectrum(setting()), slices(synthesized, real))
    assert found["value"] == pytest.approx(20 * np.log10(2))
    assert found["sequences"]["T1w"] == pytest.approx(20 * np.log10(2))
    assert "floor" not in found


def test_spectrum_of_a_blurred_image_is_that_of_the_blur():
    """A Gaussian of s pixels takes 4 pi^2 s^2 f^2 from the logarithm of the power."""
    sigma, size = 0.8, 96
    real = noise(1, (6, size, size, 2))
    synthesized = ndimage.gaussian_filter(real, (0, sigma, sigma, 0), mode="wrap")
    found = summary_of(Spectrum(setting()), slices(synthesized, real))
    f = np.linspace(LOWEST, HIGHEST, 1000)
    expected = np.mean(10 / np.log(10) * (2 * np.pi * sigma * f) ** 2)
    assert found["value"] == pytest.approx(expected, rel=0.03)


def test_spectrum_sees_the_frequency_of_a_wave():
    x = np.arange(64)
    image = np.cos(2 * np.pi * 0.125 * x)[None].repeat(64, 0)
    power = power_spectrum(image, np.ones((64, 64), bool))
    width = (HIGHEST - LOWEST) / len(power)
    assert abs(LOWEST + (power.argmax() + 0.5) * width - 0.125) < width
    assert power.max() > 1e6 * np.median(power)


def test_spectrum_floor_is_real_against_training_and_knows_no_background():
    real, other = noise(2), 3 * noise(3)
    labels = np.full(real.shape[:-1], NORMAL)
    labels[:, :20] = 0
    real[:, :20] = 50  # outside the brain
    score = Spectrum(setting(training(other)))
    found = summary_of(score, slices(real, real, labels))
    assert found["value"] == 0
    assert found["floor"] == pytest.approx(20 * np.log10(3), abs=0.7)
    empty = np.zeros_like(labels)
    assert summary_of(Spectrum(setting()), slices(real, real, empty)) is None


def test_sharpness_of_scaled_noise():
    """A scale counts twice."""
    real = noise(4)
    score = Sharpness(setting(training(2 * noise(5))))
    found = summary_of(score, slices(real * np.array([0.5, 1.5]), real))
    assert found["sequences"] == pytest.approx({"T1w": 0.25, "FLAIR": 2.25})
    assert found["floor"] == pytest.approx(0.25, rel=0.05)
    blurred = ndimage.gaussian_filter(real, (0, 1, 1, 0))
    assert summary_of(Sharpness(setting()), slices(blurred, real))["value"] < 0.1


def test_sharpness_does_not_see_the_brains_edge():
    real = noise(6)
    labels = np.zeros(real.shape[:-1], int)
    labels[:, 10:50, 10:50] = NORMAL
    other = np.where(labels[..., None] == NORMAL, real, -1)
    found = summary_of(Sharpness(setting()), slices(other, real, labels))
    assert found["value"] == pytest.approx(1)


def test_brain_ssim_is_the_mean_of_the_map_in_the_brain():
    rng = np.random.default_rng(7)
    real = rng.uniform(-1, 1, (3, 32, 32, 2))
    fake = np.clip(real + rng.normal(0, 0.2, real.shape), -1, 1)
    other = rng.uniform(-1, 1, (3, 32, 32, 2))
    labels = np.where(rng.random((3, 32, 32)) < 0.5, NORMAL, 0)
    score = BrainSsim(setting(training(other)))
    found = summary_of(score, slices(fake, real, labels))
    for place, name in enumerate(SEQUENCES):
        for images, field in ((fake, "sequences"), (other, "floor_sequences")):
            maps = [
                ssim_map(*(to_metric_range(x[i, ..., place]) for x in (images, real)))[
                    1
                ]
                for i in range(3)
            ]
            expected = np.stack(maps)[labels == NORMAL].mean()
            assert found[field][name] == pytest.approx(expected)
    assert brain_ssim_module.BRAIN_SSIM.columns[0].real(found) == found["floor"]


def test_intensity_error_of_shifted_labels():
    """.1 of [-1, 1] is 5 % of the range."""
    real = noise(8)
    labels = np.full(real.shape[:-1], NORMAL)
    labels[:, :8], labels[:, 8:16], labels[:, 16:20] = EDEMA, TUMOR, 0
    fake = real.copy()
    fake[labels == EDEMA] += [0.1, 0]
    fake[labels == TUMOR] -= [0.2, 0]
    fake[labels == 0] = 9
    score = IntensityError(setting(training(real + 0.02, labels)))
    found = summary_of(score, slices(fake[:6], real[:6], labels[:6]))
    assert found["labels"]["edema"]["T1w"] == pytest.approx(5)
    assert found["labels"]["tumor"]["T1w"] == pytest.approx(-10)
    assert found["labels"]["cavity"]["T1w"] is None
    assert found["sequences"] == pytest.approx({"T1w": 5, "FLAIR": 0}, abs=1e-9)
    assert found["floor"] == pytest.approx(1, abs=0.5)


def test_slice_steps_of_independent_and_of_equal_slices():
    """Noise of variance s2 in every slice adds 2 s2 to the squared change."""
    steps = np.arange(10)[:, None, None, None] * 0.05
    real = np.broadcast_to(steps, (10, 64, 64, 2)).copy()
    fake = real + np.random.default_rng(9).normal(0, 0.05, real.shape)
    labels = np.full(real.shape[:-1], NORMAL)
    labels[:, :32] = TUMOR
    score = SliceSteps(setting(training(real[::2] * 2)))
    found = summary_of(
        score,
        slices(fake[:4], real[:4], labels[:4]),
        ScoredSlices(fake[4:], real[4:], labels[4:], ["a"] * 6, range(4, 10)),
    )
    for region in ("brain", "lesion"):
        assert found[region]["value"] == pytest.approx(np.sqrt(3), rel=0.02)
    assert found["brain"]["floor"] == pytest.approx(0.25)
    assert "floor" not in found["lesion"]


def test_slice_steps_never_join_two_patients():
    real = noise(10, (4, 16, 16, 2))
    subjects = ["a", "b", "b", "c"]
    found = summary_of(SliceSteps(setting()), slices(2 * real, real, None, subjects))
    assert found["brain"]["value"] == pytest.approx(2)
    alone = summary_of(SliceSteps(setting()), slices(real, real, None, list("abcd")))
    assert alone is None


def test_kid_is_the_unbiased_kernel_distance_by_loops():
    rng = np.random.default_rng(11)
    one, other = rng.normal(0, 1, (7, 3)), rng.normal(0.5, 1, (6, 3))

    def k(a, b):
        return (np.dot(a, b) / 3 + 1) ** 3

    def within(rows):
        pairs = [k(a, b) for i, a in enumerate(rows) for b in np.delete(rows, i, 0)]
        return np.mean(pairs)

    across = np.mean([k(a, b) for a in one for b in other])
    assert kid(one, other) == pytest.approx(within(one) + within(other) - 2 * across)


def test_kid_of_the_same_distribution_is_zero_on_average():
    rng = np.random.default_rng(12)
    same = [kid(*rng.normal(size=(2, 30, 4))) for _ in range(300)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(300)
    assert min(same) < 0 < max(same)


def test_density_and_coverage_of_points_on_a_line():
    real = np.arange(10.0)[:, None]  # with k = 1 every ball reaches to the next point
    far = np.full((4, 1), 100.0)
    assert density_coverage(real, far, neighbours=1) == (0, 0)
    # 2.5 lies in the balls of 2 and 3; so do all four.
    assert density_coverage(real, np.full((4, 1), 2.5), neighbours=1) == (2, 0.2)
    density, coverage = density_coverage(real, real, neighbours=1)
    assert (density, coverage) == (pytest.approx(2.8), 1)


def test_feature_distance_sees_shifts_and_compares_equal_counts():
    def features(images):
        return images.mean(axis=(1, 2))

    judge = Judge("U-Net", find=lambda images: images, features=features)
    real, other = noise(13, (20, 8, 8, 2)), noise(14, (50, 8, 8, 2))
    own = setting(training(other), judge=judge)
    near = summary_of(FeatureDistance(own), slices(noise(15, real.shape), real))
    far = summary_of(FeatureDistance(own), slices(real + 3, real))
    assert far["synthesized"]["kid"] > 10 * abs(near["synthesized"]["kid"])
    assert far["synthesized"]["coverage"] == 0 < near["synthesized"]["coverage"]
    assert near["real"]["coverage"] > 0.5 and near["slices"] == 20
    assert near["real"] == far["real"]


def test_scale_of_features_does_not_matter():
    rng = np.random.default_rng(17)
    real, other = rng.normal(3, 1, (2, 12, 4))
    scale = np.array([1, 10, 1000, 0.01])
    found = compared(real, other)
    assert compared(real * scale, other * scale) == pytest.approx(found)
    dead = np.zeros((12, 1))
    assert compared(np.hstack([real, dead]), np.hstack([other, dead])) == found
    assert compared(dead, dead)["kid"] is None


@pytest.fixture(scope="module")
def segmenter():
    """A U-Net of random weights."""
    config = shrink(default("segmentation"))
    method = method_of(config, Context(sequences=2, size=(32, 32)))
    batch = decode(random_batch(method.fields, 1, 32, 2))
    variables = method.gen.init(jax.random.key(0), batch, train=False)
    return Model(method, variables, dataset=None, step=0, method_state={})


def test_features_are_the_mean_of_the_innermost_layer(segmenter):
    """Batch norm of its initial state changes nothing: ReLU of a convolution."""
    features = innermost_features(segmenter, batch_size=2)
    images = noise(16, (3, 32, 32, 2)).astype(np.float32)
    found = features(images)
    depth, width = (NETWORKS[name] for name in ("unet_depth", "unet_channels"))
    assert found.shape == (3, width * 2**depth)
    assert (found >= 0).all() and found.std(axis=0).max() > 0
    np.testing.assert_allclose(found[2:], features(images[2:]), atol=1e-6)
    flipped = features(images[:, :, ::-1])
    assert not np.allclose(flipped, found)


def test_networks_without_such_a_layer_have_no_features(trained):
    model = load_model(trained)
    assert innermost_features(model, batch_size=2) is not None  # its segmenter's
    empty = dataclasses.replace(model, variables={"params": {}})
    assert innermost_features(empty, batch_size=2) is None
