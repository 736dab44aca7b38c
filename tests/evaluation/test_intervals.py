"""Intervals and comparisons: their coverage by simulation, their values by hand."""

import numpy as np
import pytest
from scipy import stats

from samr_jax.evaluation.scores.comparisons import (
    corrected,
    difference,
    holm,
    subject_differences,
)
from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.intervals import (
    average_intervals,
    dice_intervals,
    mean_interval,
)
from tests.evaluation.test_metrics import scored

pytestmark = pytest.mark.quick

DRAWS = 1500


def _normal(rng, n):
    return rng.normal(0.4, 1, n), None, 0.4


def _dice(rng, n):
    """Skewed as Dice is: most patients near 1, a few far below."""
    return rng.beta(8, 2, n), None, 0.8


def _gains(rng, n):
    """Gains of which a third are exactly 0."""
    return rng.normal(0.05, 0.1, n) * (rng.random(n) < 2 / 3), None, 0.05 * 2 / 3


def _pixels(rng, n):
    """Accuracies weighted by lesions of very different sizes, to which they relate."""
    size = rng.lognormal(0, 0.8, n)
    accuracy = 50 + 5 * np.log(size) + rng.normal(0, 12, n)
    # The mean of log(size) with weights size is the variance of log(size).
    return accuracy, size, 50 + 5 * 0.8**2


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("draw", [_normal, _dice, _gains, _pixels])
def test_intervals_of_95_percent_cover_the_mean_in_90_percent_at_least(draw, n):
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(DRAWS):
        values, weights, truth = draw(rng, n)
        low, high = mean_interval(values, weights=weights)
        hits += low <= truth <= high
    assert 0.9 <= hits / DRAWS <= 0.985


def test_interval_is_students():
    values = np.random.default_rng(0).normal(3, 2, 9)
    expected = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    narrow = mean_interval(values, level=0.5)
    assert narrow == pytest.approx(
        stats.t.interval(0.5, 8, values.mean(), stats.sem(values))
    )


def test_patients_without_a_value_or_weight_do_not_count():
    values, weights = [1.0, 2.0, 4.0, 3.0, 9.0], [1, 2, 1, 3, 2]
    expected = mean_interval(values, weights=weights)
    more = mean_interval([*values, None, 7.0], weights=[*weights, 5, 0])
    assert more == pytest.approx(expected)
    doubled = mean_interval(values, weights=[2 * w for w in weights])
    assert doubled == pytest.approx(expected)


def test_fewer_than_five_patients_have_no_interval():
    assert mean_interval([1.0, 2.0, 3.0, 4.0]) is None
    assert mean_interval([1.0, 2.0, 3.0, 4.0, None]) is None
    assert difference([1.0, 2, 3, 4, 5], [0.0, 0, 0, 0, None]) is None
    assert mean_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is not None


def test_difference_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0.3, 1, 8), rng.normal(0, 1, 8)
    found = difference([*ours, None], [*theirs, 2.0])
    test = stats.ttest_rel(ours, theirs)
    assert found.mean == pytest.approx(np.mean(ours - theirs))
    assert found.p == pytest.approx(test.pvalue)
    assert found.interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.patients == 8
    same = difference(ours, ours)
    assert same.mean == 0 and same.p == 1 and same.interval == (0, 0)


def test_holm_is_as_by_hand():
    # Sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1, each at least the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.3]) == pytest.approx([0.3])
    assert holm([]) == []


def test_without_any_effect_a_table_claims_one_in_at_most_five_percent():
    """15 cells at 10 patients: by themselves, half of the tables would claim one."""
    rng = np.random.default_rng(2)
    alone = together = 0
    for _ in range(400):
        cells = {i: difference(*rng.normal(size=(2, 10))) for i in range(15)}
        found = corrected(cells).values()
        alone += any(cell["p"] < 0.05 for cell in found)
        together += any(cell["p_holm"] < 0.05 for cell in found)
    assert alone / 400 > 0.4
    assert together / 400 < 0.08


def test_corrections_count_the_comparisons_that_are_known():
    rng = np.random.default_rng(3)
    cells = {i: difference(*rng.normal(size=(2, 6))) for i in range(3)}
    found = corrected({**cells, "too few": None})
    assert found["too few"] is None
    assert all(found[i]["comparisons"] == 3 for i in range(3))
    adjusted = holm([cells[i].p for i in range(3)])
    assert [found[i]["p_holm"] for i in range(3)] == pytest.approx(adjusted)


def test_average_intervals_hold_the_average():
    rng = np.random.default_rng(4)
    real = rng.uniform(-1, 1, (6, 24, 20, 2)).astype(np.float32)
    noise = rng.normal(0, 0.15, real.shape).astype(np.float32)
    labels = rng.integers(0, 5, (6, 24, 20))
    split = (np.clip(real + noise, -1, 1), real, labels, "abcdef")
    summary = scored(split, ("T1w", "T2w"))
    for name, (low, high) in average_intervals(summary).items():
        assert low <= summary["average"][name] <= high


def test_dice_intervals_and_gains_are_of_each_label_over_patients():
    rng = np.random.default_rng(5)
    predicted, reference = rng.integers(0, 5, (2, 6, 8, 8))
    scores = DiceScores((1, 1, 1))
    scores.add(predicted, reference, "abcdef", [0] * 6)
    summary = scores.summary()
    subjects = summary["subjects"]
    tumor = [patient["tumor"] for patient in subjects.values()]
    assert dice_intervals(summary)["tumor"] == mean_interval(tumor)
    worse = {name: {"tumor": s["tumor"] - 0.1} for name, s in subjects.items()}
    (gain,) = subject_differences(subjects, worse, ["tumor"]).values()
    assert gain.mean == pytest.approx(0.1)
