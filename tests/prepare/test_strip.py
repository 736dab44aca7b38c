"""Skull stripping: both methods on heads with a known truth, and masks refused."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.data.nifti import Volume
from samr_jax.prepare.report.stripping import stripping_lines
from samr_jax.prepare.subject import strip as stripping
from samr_jax.prepare.subject.failure import WrongMask
from samr_jax.prepare.subject.hd_bet import has_hd_bet, hd_bet_mask
from samr_jax.prepare.subject.strip import check_brain, dice, roundness
from samr_jax.prepare.subject.strip_by_template import template_mask
from samr_jax.runtime.errors import InputError
from tests.prepare import skulls

AFFINE = np.diag([2.0, 2, 2, 1])
MOVE = skulls.motion((6, -4, 9), (5, -8, 4))
# The second acquisition cuts vertex and brainstem off.
ACQUISITIONS = {
    "thick": {"spacing": (1, 1, 5)},
    "sagittal": {"spacing": (5, 1, 1)},
    "cut": {"spacing": (1, 1, 5), "box": (200, 232, 110)},
}


def _head(kind, sequence="T1w", seed=0):
    """A simulated head of thick slices, turned and biased, and its true brain."""
    where = ACQUISITIONS[kind]
    data, affine = skulls.scan(sequence, seed=seed, move=MOVE, strength=0.12, **where)
    truth = skulls.brain_on(data.shape, affine, seed=seed, move=MOVE)
    return Volume(data, affine, "head.nii"), truth


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sagittal", "cut"])
def test_template_finds_the_brain(kind):
    """Whole heads with thick axial slices are in the test below, without a T1w scan."""
    pytest.importorskip("ants")
    head, truth = _head(kind)
    overlap = dice(template_mask(head, t1=True), truth)
    print(kind, "Dice", overlap)
    assert overlap > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["FLAIR", "T2w"])
def test_template_finds_the_brain_without_a_t1w_scan(sequence):
    pytest.importorskip("ants")
    head, truth = _head("thick", sequence)
    # A part of the brain as bright as a lesion, which is found if it is annotated.
    middle = np.argwhere(truth).mean(axis=0).round().astype(int)
    lesion = np.zeros(truth.shape, bool)
    lesion[middle[0] : middle[0] + 40, middle[1] : middle[1] + 90, middle[2] :] = True
    lesion &= truth
    data = np.where(lesion, 3 * np.median(head.data[truth]), head.data)
    bright = Volume(data.astype(np.float32), head.affine, head.source)
    found = template_mask(bright, t1=False, lesion=lesion)
    overlap = dice(found, truth)
    print(sequence, "Dice", overlap, "of the lesion", found[lesion].mean())
    assert overlap > 0.9 and found[lesion].mean() > 0.9


@pytest.mark.slow
@pytest.mark.skipif(not has_hd_bet(), reason="HD-BET is not installed")
def test_hd_bet_finds_the_brain():
    head, truth = _head("thick")
    overlap = dice(hd_bet_mask(head), truth)
    print("Dice", overlap)
    assert overlap > 0.95


def test_hd_bet_that_is_not_installed_is_told(monkeypatch):
    from samr_jax.prepare.subject import hd_bet

    monkeypatch.setattr(hd_bet, "has_hd_bet", lambda: False)
    with pytest.raises(InputError, match=r"HD-BET is not installed.*strip"):
        hd_bet.hd_bet_mask(Volume(np.ones((4, 4, 4)), AFFINE, "head.nii"))


def test_auto_takes_hd_bet_where_it_is_installed(monkeypatch):
    for installed, method in ((True, "hd-bet"), (False, "template")):
        monkeypatch.setattr(stripping, "has_hd_bet", lambda found=installed: found)
        assert stripping.best_stripper() == method


def test_preparation_does_not_load_torch():
    code = (
        "import sys, samr_jax.prepare.pipeline, samr_jax.prepare.subject.hd_bet\n"
        "samr_jax.prepare.subject.hd_bet.has_hd_bet()\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _ellipsoid(radii):
    """A solid ellipsoid in the middle of 100 x 120 x 90 voxels of 2 mm."""
    shape = np.array([100, 120, 90])
    offset = (np.moveaxis(np.indices(shape), 0, -1) - shape / 2) * 2
    return np.linalg.norm(offset / radii, axis=-1) < 1


def _scan_of(brain):
    """A T1w scan: grey values around 700 in the brain, bone and fat around it."""
    rng = np.random.default_rng(0)
    distance = ndimage.distance_transform_edt(~brain, sampling=2)
    data = np.where(distance < 8, 60.0, np.where(distance < 16, 1500.0, 0.0))
    data[brain] = rng.normal(700, 120, brain.sum())
    return Volume(data.astype(np.float32), AFFINE, "head.nii")


def test_right_mask_is_measured():
    brain = _ellipsoid((66, 84, 58))
    found = check_brain(brain, _scan_of(brain), t1=True)
    volume = 4 / 3 * np.pi * 66 * 84 * 58 / 1000
    assert found["ml"] == pytest.approx(volume, rel=0.01)
    assert found["roundness"] == pytest.approx(1, abs=0.01)
    assert found["unlike"] < 0.001


def test_wrong_masks_are_refused_with_a_remedy():
    brain = _ellipsoid((66, 84, 58))
    scan = _scan_of(brain)
    shell = _ellipsoid((76, 94, 68)) & ~_ellipsoid((50, 66, 42))
    with_skull = ndimage.binary_dilation(brain, iterations=4)
    wrong = {
        r"head.nii: the brain mask holds 0 ml, expected 900 to": np.zeros_like(brain),
        r"holds 1\d\d ml, expected 900 to 2000": _ellipsoid((30, 40, 30)),
        r"roundness of the brain mask is 0.5\d, expected 0.85": shell,
        r"2\d % of the brain mask is as dark as bone or as bright as fat": with_skull,
    }
    for words, mask in wrong.items():
        with pytest.raises(WrongMask, match=words) as caught:
            check_brain(mask, scan, t1=True)
        assert "column brain of a manifest" in str(caught.value)
        assert caught.value.mask is mask


def test_roundness_does_not_depend_on_voxels():
    brain = _ellipsoid((66, 84, 58))
    thick = np.diag([2.0, 2, 6, 1])
    assert roundness(brain[:, :, ::3], thick) == pytest.approx(
        roundness(brain, AFFINE), abs=0.02
    )


def test_agreement_is_told(monkeypatch):
    """Two methods whose masks differ; the second is the template."""
    brain = _ellipsoid((66, 84, 58))
    smaller = ndimage.binary_erosion(brain, iterations=4)
    monkeypatch.setattr(stripping, "has_hd_bet", lambda: True)
    monkeypatch.setattr(stripping, "has_ants", lambda: True)
    monkeypatch.setattr(stripping, "hd_bet_mask", lambda head: brain)
    monkeypatch.setattr(stripping, "template_mask", lambda head, **options: smaller)
    found = stripping.strip(_scan_of(brain), method="hd-bet", t1=True)
    assert found.quality["agreement"] == pytest.approx(dice(brain, smaller), abs=1e-3)
    item = type("Stored", (), {})()
    item.name = "sub-0001"
    item.record = {"strip": {"method": found.method, **found.quality}}
    (line,) = stripping_lines([item])
    item.record = {"strip": {"method": "template", "ml": 1346.0, "roundness": 0.95}}
    assert "without a T1w scan, where the template" in stripping_lines([item])[0]
    assert "1346 ml by hd-bet" in line and "agreement of both methods 0.84" in line
    assert "look at its outline on the quality page" in line
