"""The bias field that N4 finds, against fields that were put into simulated heads."""

import numpy as np
import pytest

from samr_jax.prepare.subject.bias import bias_field, field_variation
from samr_jax.runtime.errors import InputError
from tests.prepare import skulls as heads

pytestmark = pytest.mark.slow
pytest.importorskip("ants")

STRENGTH = 0.12


def _scan(sequence, *, seed=0, strength=STRENGTH, **where):
    """A scan, its brain, its affine, and the field that was put into it."""
    image, affine = heads.scan(sequence, seed=seed, strength=strength, **where)
    brain = heads.brain_on(image.shape, affine, seed=seed)
    return image, brain, affine, heads.bias(image.shape, affine, strength, seed + 1)


def _found(image, brain, affine):
    return bias_field(image, brain, affine, source="scan.nii")


@pytest.mark.parametrize("spacing", [(2, 2, 2), (1, 1, 5)], ids=["2 mm", "5 mm slices"])
@pytest.mark.parametrize("sequence, limit", [("T1w", 0.65), ("T2w", 0.55)])
def test_field_that_was_put_in_is_found(sequence, limit, spacing):
    """The share of the field that is left is limited in the mean of two heads.

    Measured: 0.54 and 0.60 in T1w, 0.44 and 0.47 in T2w. N4 on all blocks of 4 mm of
    the whole volume, which takes four times as long, leaves 0.59 in T1w and 0.40 in
    T2w of 2 mm.
    """
    shares = []
    for seed in (0, 1):
        image, brain, affine, truth = _scan(sequence, seed=seed, spacing=spacing)
        found = _found(image, brain, affine)
        left = field_variation(truth / found, brain)
        shares.append(left / field_variation(truth, brain))
        assert np.log(found[brain]).mean() == pytest.approx(0, abs=0.01)
    print(sequence, spacing, "left", shares)
    assert np.mean(shares) < limit


@pytest.mark.parametrize("sequence", ["T1w", "T2w"])
def test_little_is_found_without_bias(sequence):
    """The anatomy alone looks like a field of at most 1.5 %."""
    for seed in (0, 1):
        image, brain, affine, _ = _scan(sequence, seed=seed, strength=0)
        variation = field_variation(_found(image, brain, affine), brain)
        print(sequence, seed, variation)
        assert variation < 0.015


def test_empty_space_around_the_brain_changes_nothing():
    image, brain, affine, _ = _scan("T1w")
    found = _found(image, brain, affine)
    width = ((7, 2), (0, 9), (4, 5))
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3] @ [before for before, _ in width]
    padded = _found(np.pad(image, width), np.pad(brain, width), moved)
    inner = padded[7:-2, :-9, 4:-5]
    np.testing.assert_allclose(inner, found, rtol=1e-4)


def test_field_goes_on_into_a_lesion_at_the_rim():
    """The frontal third of the brain is lesion, which N4 does not see."""
    image, brain, affine, _ = _scan("T1w")
    rows = np.flatnonzero(brain.any(axis=(0, 2)))
    healthy = brain.copy()
    healthy[:, rows[2 * len(rows) // 3] :] = False
    field = _found(image, healthy, affine)
    steps = np.abs(np.diff(np.log(field), axis=1))
    assert steps.max() < 0.03
    np.testing.assert_array_equal(field[:, rows[-1]], field[:, rows[-1] - 6])


def test_scan_without_healthy_brain_is_refused_in_one_line():
    image, brain, affine, _ = _scan("T1w")
    for healthy in (np.zeros_like(brain), _one_voxel(brain)):
        with pytest.raises(InputError, match=r"^scan.nii: it shows no brain") as found:
            _found(image, healthy, affine)
        assert "\n" not in str(found.value)


def _one_voxel(brain):
    """A mask that holds less than a block."""
    alone = np.zeros_like(brain)
    alone[0, 0, 0] = True
    return alone
