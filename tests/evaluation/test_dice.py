"""Dice, false positives and surface distances against counts by hand."""

import json

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.surface import hausdorff_95
from samr_jax.labels import CAVITY, TUMOR
from samr_jax.runtime.errors import InputError

SPACING = (5.0, 1.0, 2.0)


def summary_of(predicted, reference, subjects, heights=None):
    scores = DiceScores(SPACING)
    heights = range(len(reference)) if heights is None else heights
    scores.add(predicted, reference, subjects, heights)
    return json.loads(json.dumps(scores.summary(), allow_nan=False))


def test_pixels_of_a_patient_count_together():
    reference = np.zeros((3, 4, 4), int)
    predicted = np.zeros((3, 4, 4), int)
    reference[0, 0], predicted[0, 0, :2] = TUMOR, TUMOR  # half of the tumor is found
    reference[1, 0, 0] = TUMOR  # deleted
    predicted[1, 2, 2] = CAVITY  # invented
    reference[2], predicted[2] = TUMOR, TUMOR  # the other patient's, all found
    summary = summary_of(predicted, reference, ["a", "a", "b"])
    of_a = 2 * 2 / (2 + 5)
    assert summary["subjects"]["a"]["tumor"] == pytest.approx(of_a)
    assert summary["dice"]["tumor"] == pytest.approx((of_a + 1) / 2)
    assert summary["dice"]["edema"] is None
    assert summary["deleted"] == {"edema": 0, "cavity": 0, "tumor": 1}
    assert summary["invented"] == {"edema": 0, "cavity": 1, "tumor": 0}
    assert summary["slices"] == {"edema": 0, "cavity": 0, "tumor": 3}


def test_an_invented_pixel_does_not_change_who_counts():
    """The mean is over the patients whose reference has the label, and over no other:
    one false pixel in a healthy patient used to move it from 1 to 2/3."""
    reference = np.zeros((3, 4, 4), int)
    reference[:2, 1:3, 1:3] = TUMOR
    perfect = summary_of(reference, reference, list("abc"))
    predicted = reference.copy()
    predicted[2, 0, 0] = TUMOR
    summary = summary_of(predicted, reference, list("abc"))
    assert summary["dice"]["tumor"] == perfect["dice"]["tumor"] == 1
    assert summary["subjects"]["c"]["tumor"] is None
    # One voxel of 10 mm3 in the only patient without tumor.
    expected = {"patients": 1, "found_in": 1, "mean_ml": 0.01}
    assert summary["false_positives"]["tumor"] == pytest.approx(expected)
    expected = {"patients": 1, "found_in": 0, "mean_ml": 0.0}
    assert perfect["false_positives"]["tumor"] == expected
    assert summary["false_positives"]["edema"]["patients"] == 3


def test_a_lesion_that_is_missed_has_dice_0_and_no_distance():
    reference = np.zeros((2, 4, 4), int)
    reference[:, 1, 1] = TUMOR
    predicted = reference.copy()
    predicted[1] = 0
    summary = summary_of(predicted, reference, ["a", "b"])
    assert summary["dice"]["tumor"] == 0.5
    assert summary["missed"] == {"edema": 0, "cavity": 0, "tumor": 1}
    assert summary["hausdorff_subjects"]["b"]["tumor"] is None
    assert summary["hausdorff_95"]["tumor"] == 0


def box(shape, corner, size):
    out = np.zeros(shape, bool)
    out[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return out


def test_hausdorff_distance_of_a_moved_box_is_the_shift_in_millimetres():
    near = box((12, 24, 24), (3, 4, 4), (5, 9, 8))
    for axis, steps in ((0, 2), (1, 6), (2, 3)):
        far = np.roll(near, steps, axis=axis)
        found = hausdorff_95(near, far, spacing=SPACING)
        assert found == pytest.approx(steps * SPACING[axis], abs=0.5 * SPACING[axis])
        assert hausdorff_95(far, near, spacing=SPACING) == pytest.approx(found)
    assert hausdorff_95(near, near, spacing=SPACING) == 0


def test_hausdorff_distance_is_near_the_percentile_of_voxel_borders():
    """The library weighs surfaces by their area, the reference counts border voxels."""
    rng = np.random.default_rng(0)
    blobs = [
        ndimage.gaussian_filter(rng.normal(size=(20, 30, 30)), 3) > 0.03
        for _ in range(2)
    ]
    border = [blob & ~ndimage.binary_erosion(blob) for blob in blobs]
    ways = []
    for one, other in (border, border[::-1]):
        distance = ndimage.distance_transform_edt(~other, sampling=SPACING)
        ways.append(np.percentile(distance[one], 95))
    found = hausdorff_95(*blobs, spacing=SPACING)
    assert found == pytest.approx(max(ways), abs=max(SPACING))


def test_heights_place_the_slices_of_a_patient():
    """Distances are of volumes, in whatever order their slices come."""
    rng = np.random.default_rng(1)
    reference = np.where(rng.random((4, 9, 9)) < 0.3, TUMOR, 0)
    predicted = np.roll(reference, 1, axis=0)
    order = [2, 0, 3, 1]
    whole = summary_of(predicted, reference, "aaaa")
    mixed = summary_of(predicted[order], reference[order], "aaaa", order)
    assert whole["hausdorff_95"] == mixed["hausdorff_95"]
    expected = hausdorff_95(predicted == TUMOR, reference == TUMOR, spacing=SPACING)
    assert whole["hausdorff_95"]["tumor"] == pytest.approx(expected)


def test_nothing_to_score_is_refused():
    with pytest.raises(InputError, match="expected at least one"):
        DiceScores(SPACING).summary()
