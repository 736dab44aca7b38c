"""Folds that are pooled, against all their patients scored at once."""

import numpy as np
import pytest

from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
from samr_jax.evaluation.scores.pooling import pool_folds
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import ScoredSlices
from samr_jax.labels import CAVITY, NORMAL
from samr_jax.runtime.errors import InputError

SEQUENCES = ("T1w", "FLAIR")
SUBJECTS = list("aabbccddeeff")


@pytest.fixture(scope="module")
def data():
    """Twelve slices of six patients; the first two patients have no cavity."""
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (12, 16, 16, 2)).astype(np.float32)
    fake = np.clip(real + rng.normal(0, 0.15, real.shape), -1, 1).astype(np.float32)
    labels = rng.integers(0, 5, (12, 16, 16))
    labels[:4][labels[:4] == CAVITY] = NORMAL
    found = np.where(rng.random(labels.shape) < 0.7, labels, NORMAL)
    return fake, real, labels, found


def evaluation(data, start, stop):
    """An evaluation of the slices `start` to `stop`."""
    fake, real, labels, found = (array[start:stop] for array in data)
    subjects, heights = SUBJECTS[start:stop], range(start, stop)
    scores = slice_scores(SEQUENCES)
    scores.add(ScoredSlices(fake, real, labels, subjects, heights))
    dice = DiceScores((4, 1, 1))
    dice.add(found, labels, subjects, heights)
    result = {"method": "m", "dataset_hash": f"{start}", **scores.summary()}
    result["intervals"] = average_intervals(result)
    summary = dice.summary()
    result["segmentation"] = {**summary, "intervals": dice_intervals(summary)}
    follow = {"segmenter": "U-Net", "synthesized": summary, "real": dice.summary()}
    return {**result, "mask_follow": follow, "memorisation": {"ratio": float(stop)}}


def assert_close(found, expected):
    """Trees of numbers that agree."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_close(found[name], value)
        else:
            assert found[name] == pytest.approx(value), name


def test_pooled_folds_are_all_patients_at_once(data):
    folds = [evaluation(data, start, start + 4) for start in (0, 4, 8)]
    pooled, whole = pool_folds(folds), evaluation(data, 0, 12)
    for name in ("sequences", "average", "subjects", "weights", "intervals"):
        assert_close(pooled[name], whole[name])
    assert pooled["slices"] == 12
    assert_close(pooled["segmentation"], whole["segmentation"])
    assert_close(pooled["mask_follow"]["real"], whole["mask_follow"]["real"])
    assert folds[0]["sequences"]["T1w"]["cavity"] is None
    assert pooled["average"]["cavity"] is not None
    assert pooled["memorisation"]["ratio"] == 8
    assert pooled["folds"] == 3 and pooled["method"] == "m"


def test_a_patient_in_two_folds_is_refused(data):
    with pytest.raises(InputError, match="patient d: tested in two folds"):
        pool_folds([evaluation(data, 4, 7), evaluation(data, 7, 12)])


def test_one_fold_alone_is_itself(data):
    fold = evaluation(data, 0, 12)
    assert pool_folds([fold]) == fold
