"""Calibration against distributions whose answer is known in closed form."""

import json

import numpy as np
import pytest
from scipy import stats

from samr_jax.evaluation.scores.calibration import (
    calibration,
    confidence_calibration,
    expected_error,
    half_scale_error,
    reliability,
    sparsification,
)
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

# Keeping the share p of smallest exponential errors leaves a mean error of
# 1 + f·ln f / (1 - f) with f = 1 - p; its integral over f is 2 - pi² / 6.
EXPONENTIAL_AREA = np.pi**2 / 6 - 1


@pytest.fixture
def laplace():
    """Errors of Laplace distributions whose scales are known."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.1, 0.6, 200_000)
    return scale, np.abs(rng.laplace(scale=scale))


def test_true_scales_are_calibrated(laplace):
    scale, error = laplace
    result = calibration(scale, error, bins=10)
    assert result["calibration_error"] < 0.01 * result["mean_observed"]
    np.testing.assert_allclose(
        result["reliability"]["predicted"], np.arange(0.125, 0.6, 0.05), atol=2e-3
    )
    np.testing.assert_allclose(
        result["reliability"]["observed"],
        result["reliability"]["predicted"],
        rtol=0.03,
    )


def test_wrong_factor_shows_as_calibration_error_but_not_in_the_order(laplace):
    scale, error = laplace
    right, doubled = (calibration(k * scale, error, bins=10) for k in (1, 2))
    assert doubled["calibration_error"] == pytest.approx(scale.mean(), rel=0.01)
    assert doubled["spearman"] == pytest.approx(right["spearman"])
    assert doubled["sparsification"]["ause"] == pytest.approx(
        right["sparsification"]["ause"]
    )


def test_spearman_is_the_correlation_of_ranks(laplace):
    scale, error = (values[:500] for values in laplace)
    ranks = [np.argsort(np.argsort(values)) for values in (scale, error)]
    expected = np.corrcoef(ranks)[0, 1]
    assert calibration(scale, error, bins=5)["spearman"] == pytest.approx(expected)


def test_random_order_of_exponential_errors_has_the_closed_form_area():
    # Quantiles of the exponential distribution instead of a noisy sample.
    error = stats.expon.ppf((np.arange(50_000) + 0.5) / 50_000)
    curves = sparsification(np.ones_like(error), error)
    assert curves["ause_random"] == pytest.approx(EXPONENTIAL_AREA, abs=1e-3)
    assert curves["ause"] == pytest.approx(curves["ause_random"])
    np.testing.assert_allclose(curves["remaining"], 1)


def test_oracle_has_no_area_and_the_reverse_order_more_than_random():
    error = np.random.default_rng(1).exponential(size=1000)
    assert sparsification(error**3, error)["ause"] == pytest.approx(0)
    reverse = sparsification(-error, error)
    assert reverse["ause"] > reverse["ause_random"] > 0


def test_sparsification_is_the_mean_of_what_is_left():
    predicted = np.array([3.0, 1.0, 2.0, 4.0])
    error = np.array([0.5, 0.2, 0.9, 0.4])
    left = [
        error[np.argsort(predicted)[: 4 - removed]].mean() / error.mean()
        for removed in range(4)
    ]
    best = [np.sort(error)[: 4 - removed].mean() / error.mean() for removed in range(4)]
    assert sparsification(predicted, error)["ause"] == pytest.approx(
        np.mean(left) - np.mean(best)
    )


def test_pixel_order_never_matters():
    rng = np.random.default_rng(2)
    predicted = rng.integers(1, 4, 300) / 10  # many ties
    error = rng.exponential(predicted)
    shuffle = rng.permutation(300)
    one = calibration(predicted, error, bins=10)
    other = calibration(predicted[shuffle], error[shuffle], bins=10)
    assert len(one["reliability"]["pixels"]) == 3
    np.testing.assert_allclose(
        one["sparsification"]["remaining"], other["sparsification"]["remaining"]
    )
    assert one["reliability"]["pixels"] == other["reliability"]["pixels"]


def test_saturated_confidence_is_one_bin_without_rank_correlation():
    error = np.linspace(0, 1, 50)
    result = calibration(np.full(50, 0.1), error, bins=10)
    assert result["spearman"] is None
    assert result["reliability"] == {
        "predicted": [pytest.approx(0.1)],
        "observed": [pytest.approx(0.5)],
        "pixels": [50],
    }
    assert result["calibration_error"] == pytest.approx(0.4)


def test_bins_hold_equal_numbers_of_pixels():
    curve = reliability(np.arange(100.0), np.arange(100.0), bins=4)
    assert curve["pixels"] == [25] * 4
    assert curve["predicted"] == curve["observed"] == [12.0, 37.0, 62.0, 87.0]


def test_expected_error_minimises_equation_1():
    error, lambda_cm = 0.37, 0.1
    confidence = np.linspace(0.01, 1, 10_000)
    best = confidence[np.argmin(confidence * error - lambda_cm * np.log(confidence))]
    assert expected_error(best, lambda_cm=lambda_cm) == pytest.approx(error, rel=1e-3)


def test_half_scale_error_is_of_the_area_mean():
    rng = np.random.default_rng(3)
    real, intermediate = rng.normal(size=(2, 8, 6, 3)), rng.normal(size=(2, 4, 3, 3))
    error = half_scale_error(intermediate, real)
    for index in np.ndindex(2, 4, 3, 3):
        n, i, j, s = index
        block = real[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, s]
        assert error[index] == pytest.approx(abs(intermediate[index] - block.mean()))
    with pytest.raises(ValueError, match=r"expected \(2, 8, 6, 3\)"):
        half_scale_error(intermediate, real[:, :4])


def test_confidence_calibration_looks_only_into_the_region():
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.1, 1, (2, 6, 6, 2))
    errors = 0.1 / confidence
    region = rng.random((2, 6, 6)) < 0.5
    errors[~region] = 9.0
    result = confidence_calibration(
        confidence, errors, sequences=("T1w", "T2w"), lambda_cm=0.1, region=region
    )
    json.dumps(result, allow_nan=False)
    for scores in result["sequences"].values():
        assert scores["pixels"] == region.sum()
        assert scores["calibration_error"] == pytest.approx(0)
        assert scores["spearman"] == pytest.approx(1)


def test_nothing_or_nan_to_calibrate_is_the_users_error():
    with pytest.raises(InputError, match="0 pixels"):
        calibration(np.ones(0), np.ones(0), bins=3)
    with pytest.raises(InputError, match="finite"):
        calibration(np.ones(2), np.array([1, np.nan]), bins=3)


def test_no_error_at_all_has_curves_without_area():
    assert sparsification(np.ones(5), np.zeros(5))["ause"] == 0


def test_the_order_of_calibrated_predictions_counts_as_1_and_a_random_one_as_0():
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.02, 0.4, 40000)
    laplace = np.abs(rng.laplace(0, scale))
    assert sparsification(scale, laplace)["gain"] == pytest.approx(1, abs=0.03)
    unrelated = sparsification(scale, rng.permutation(laplace))
    assert unrelated["gain"] == pytest.approx(0, abs=0.03)
    noisy = scale * rng.uniform(0.3, 3, scale.size)
    assert 0.1 < sparsification(noisy, laplace)["gain"] < 0.9


def test_equal_predictions_have_no_order():
    errors = np.random.default_rng(0).uniform(size=100)
    assert sparsification(np.full(100, 0.1), errors)["gain"] is None
