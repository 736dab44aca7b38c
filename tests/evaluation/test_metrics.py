"""The paper's metrics against loops, closed forms and constructed cases."""

import json

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.evaluation.scores.intensity import to_metric_range
from samr_jax.evaluation.scores.pixel_accuracy import pixel_hits
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import ScoredSlices
from samr_jax.evaluation.scores.similarity import psnr, ssim
from samr_jax.labels import CAVITY, EDEMA, LESION_LABELS, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

SEQUENCES = ("T1w", "FLAIR", "APTw")


@pytest.fixture
def split():
    """Five slices of three subjects, one of them without any cavity."""
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (5, 24, 20, 3)).astype(np.float32)
    noise = rng.normal(0, 0.15, real.shape).astype(np.float32)
    labels = rng.integers(0, 5, (5, 24, 20)).astype(np.uint8)
    labels[:2][labels[:2] == CAVITY] = NORMAL
    subjects = ["a", "a", "b", "b", "c"]
    return np.clip(real + noise, -1, 1), real, labels, subjects


def scored(split, sequences=SEQUENCES):
    scores = slice_scores(sequences)
    add(scores, *split)
    return scores.summary()


def add(scores, synthesized, real, labels, subjects):
    heights = range(len(labels))
    scores.add(ScoredSlices(synthesized, real, labels, subjects, heights))


def test_metric_range_is_the_affine_image():
    np.testing.assert_array_equal(
        to_metric_range(np.array([-1, 0, 1], np.float32)), [0, 127.5, 255]
    )


def test_pixel_accuracy_counts_both_ends_of_the_tolerance():
    real = np.full((1, 6, 1), 100.0)
    synthesized = real + np.array([0, 16, -16, 16.01, -16.01, 200])[None, :, None]
    labels = np.full((1, 6), TUMOR)
    hits, pixels = pixel_hits(synthesized, real, labels, (TUMOR,))
    assert (hits.tolist(), pixels) == ([3], 6)


def test_pixel_accuracy_agrees_with_a_loop(split):
    synthesized, real, labels, _ = split
    summary = scored(split)
    for channel, sequence in enumerate(SEQUENCES):
        for region, codes in {
            "edema": [EDEMA],
            "cavity": [CAVITY],
            "tumor": [TUMOR],
            "lesion": LESION_LABELS,
        }.items():
            right = [
                abs(float(a) - float(b)) * 127.5 <= 16
                for a, b, label in zip(
                    synthesized[..., channel].flat,
                    real[..., channel].flat,
                    labels.flat,
                    strict=True,
                )
                if label in codes
            ]
            assert summary["sequences"][sequence][region] == pytest.approx(
                100 * sum(right) / len(right)
            )


def test_absent_label_is_none_and_never_zero(split):
    synthesized, real, labels, subjects = split
    summary = scored((synthesized[:2], real[:2], labels[:2], subjects[:2]))
    assert summary["average"]["cavity"] is None
    assert summary["average"]["lesion"] > 0
    assert summary["sequences"]["APTw"]["cavity"] is None


def test_psnr_of_a_constant_offset_and_of_identical_images():
    real = np.random.default_rng(1).uniform(0, 200, (16, 16))
    assert psnr(real + 5, real) == pytest.approx(20 * np.log10(255 / 5))
    # As far as whole grey levels can tell: a squared error of 1/12.
    assert psnr(real, real) == pytest.approx(20 * np.log10(255 * np.sqrt(12)))


def test_ssim_agrees_with_wang_2004():
    rng = np.random.default_rng(2)
    real = rng.uniform(0, 255, (30, 27))
    fake = np.clip(real + rng.normal(0, 30, real.shape), 0, 255)
    grid = np.arange(-5, 6)
    window = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * 1.5**2))
    window /= window.sum()

    def blur(image):
        return ndimage.correlate(image, window)[5:-5, 5:-5]

    mx, my = blur(real), blur(fake)
    vx, vy = blur(real**2) - mx**2, blur(fake**2) - my**2
    covariance = blur(real * fake) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = ((2 * mx * my + c1) * (2 * covariance + c2)) / (
        (mx**2 + my**2 + c1) * (vx + vy + c2)
    )
    assert ssim(fake, real) == pytest.approx(expected.mean(), abs=1e-9)
    assert ssim(real, real) == pytest.approx(1)


def test_ssim_refuses_slices_smaller_than_its_window():
    with pytest.raises(InputError, match="10 x 30, expected at least 11 x 11"):
        ssim(np.zeros((10, 30)), np.zeros((10, 30)))


def test_ssim_and_psnr_are_means_over_slices(split):
    synthesized, real = (to_metric_range(images) for images in split[:2])
    summary = scored(split)
    for channel, sequence in enumerate(SEQUENCES):
        for name, function in (("ssim", ssim), ("psnr", psnr)):
            values = [
                function(a[..., channel], b[..., channel])
                for a, b in zip(synthesized, real, strict=True)
            ]
            assert summary["sequences"][sequence][name] == pytest.approx(
                np.mean(values)
            )


def test_average_is_over_sequences(split):
    summary = scored(split)
    for name, value in summary["average"].items():
        over = [summary["sequences"][sequence][name] for sequence in SEQUENCES]
        assert value == pytest.approx(np.mean(over))


def test_batches_do_not_change_the_summary(split):
    scores = slice_scores(SEQUENCES)
    for part in (slice(3, 5), slice(0, 1), slice(1, 3)):
        add(scores, *(array[part] for array in split))
    one, other = scores.summary(), scored(split)
    np.testing.assert_allclose(
        list(one["average"].values()), list(other["average"].values())
    )
    assert list(one["subjects"]) == list(other["subjects"]) == ["a", "b", "c"]


def test_summary_is_json_and_says_how_it_was_measured(split):
    summary = json.loads(json.dumps(scored(split), allow_nan=False))
    assert summary["data_range"] == 255
    assert summary["tolerance"] == 16
    assert summary["slices"] == 5
    assert summary["region"]


@pytest.mark.parametrize("sequences", [("T1w",), tuple("abcdef")])
def test_any_number_of_sequences(sequences):
    images = np.zeros((1, 16, 16, len(sequences)))
    labels = np.full((1, 16, 16), EDEMA)
    summary = scored((images, images, labels, ["a"]), sequences)
    assert tuple(summary["sequences"]) == sequences
    assert summary["average"]["edema"] == 100


def test_images_that_are_not_finite_are_refused(split):
    synthesized, *rest = split
    synthesized[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="1 values are not finite"):
        scored((synthesized, *rest))


def test_nothing_to_score_is_refused():
    with pytest.raises(InputError, match="expected at least one"):
        slice_scores(SEQUENCES).summary()


def test_subject_weights_give_back_the_average_of_the_split(split):
    summary = scored(split)
    for name, value in summary["average"].items():
        values, weights = zip(
            *(
                (summary["subjects"][subject][name], summary["weights"][subject][name])
                for subject in summary["subjects"]
                if summary["subjects"][subject][name] is not None
            ),
            strict=True,
        )
        assert np.average(values, weights=weights) == pytest.approx(value)
