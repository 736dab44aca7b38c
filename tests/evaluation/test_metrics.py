"""The paper's metrics against loops, closed forms and constructed cases."""

import json

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.evaluation.scores.intervals import (
    average_intervals,
    bootstrap_interval,
    dice_intervals,
    difference_intervals,
)
from samr_jax.evaluation.scores.metrics import (
    DiceCounts,
    SynthesisScores,
    pixel_hits,
    psnr,
    ssim,
    to_metric_range,
)
from samr_jax.labels import CAVITY, EDEMA, LESION_LABELS, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError

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
    scores = SynthesisScores(sequences)
    scores.add(*split)
    return scores.summary()


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
    scores = SynthesisScores(SEQUENCES)
    for part in (slice(3, 5), slice(0, 1), slice(1, 3)):
        scores.add(*(array[part] for array in split))
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
        SynthesisScores(SEQUENCES).summary()
    with pytest.raises(InputError, match="expected at least one"):
        DiceCounts().summary()


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


def test_dice_counts_pixels_of_a_patient_together():
    reference = np.zeros((3, 4, 4), int)
    predicted = np.zeros((3, 4, 4), int)
    reference[0, 0], predicted[0, 0, :2] = TUMOR, TUMOR  # half of it found
    reference[1, 0, 0] = TUMOR  # deleted
    predicted[1, 2, 2] = CAVITY  # invented
    reference[2], predicted[2] = TUMOR, TUMOR  # the other patient's, all found
    counts = DiceCounts()
    counts.add(predicted, reference, ["a", "a", "b"])
    summary = json.loads(json.dumps(counts.summary(), allow_nan=False))
    of_a = 2 * 2 / (2 + 5)
    assert summary["subjects"]["a"]["tumor"] == pytest.approx(of_a)
    assert summary["dice"]["tumor"] == pytest.approx((of_a + 1) / 2)
    assert summary["dice"]["cavity"] == 0
    assert summary["dice"]["edema"] is None
    assert summary["deleted"] == {"edema": 0, "cavity": 0, "tumor": 1}
    assert summary["invented"] == {"edema": 0, "cavity": 1, "tumor": 0}
    assert summary["slices"] == {"edema": 0, "cavity": 0, "tumor": 3}


def test_bootstrap_interval_approaches_the_normal_one():
    values = np.random.default_rng(3).normal(10, 2, 400)
    low, high = bootstrap_interval(values, seed=0)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)
    narrow = bootstrap_interval(values, seed=0, level=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert bootstrap_interval(values, seed=0) == (low, high)


def test_bootstrap_interval_weighs_patients_and_skips_the_unknown():
    # Draws of two give 1, 3, or in half of all cases the weighted mean, 2.5.
    values, weights = [1.0, None, 3.0], [1, 9, 3]
    assert bootstrap_interval(values, weights=weights, seed=0) == (1, 3)
    middle = bootstrap_interval(values, weights=weights, seed=0, level=0.2)
    assert middle == (2.5, 2.5)


def test_bootstrap_interval_needs_two_patients():
    assert bootstrap_interval([1.0, None], seed=0) is None
    assert bootstrap_interval([1.0, 2.0], weights=[1, 0], seed=0) is None


def test_average_intervals_hold_the_average(split):
    summary = scored(split)
    for name, (low, high) in average_intervals(summary, seed=1).items():
        assert low <= summary["average"][name] <= high


def test_dice_intervals_are_of_each_label_over_patients():
    counts = DiceCounts()
    rng = np.random.default_rng(5)
    predicted, reference = rng.integers(0, 5, (2, 6, 8, 8))
    counts.add(predicted, reference, list("abcdef"))
    summary = counts.summary()
    intervals = dice_intervals(summary, seed=3)
    tumor = [patient["tumor"] for patient in summary["subjects"].values()]
    assert intervals["tumor"] == bootstrap_interval(tumor, seed=3)
    assert difference_intervals(summary, summary, seed=3)["tumor"] == (0.0, 0.0)
    worse = {
        "subjects": {
            n: {"tumor": v - 0.1} for n, v in zip("abcdef", tumor, strict=True)
        }
    }
    gain = difference_intervals(
        {"dice": {"tumor": 0}, "subjects": summary["subjects"]}, worse, seed=3
    )
    assert gain["tumor"] == pytest.approx((0.1, 0.1))
