"""Finds the brain in a head, and refuses what does not look like a brain."""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.prepare.subject.ants_bridge import has_ants
from samr_jax.prepare.subject.failure import WrongMask
from samr_jax.prepare.subject.hd_bet import has_hd_bet, hd_bet_mask
from samr_jax.prepare.subject.strip_by_template import largest_piece, template_mask
from samr_jax.runtime.errors import InputError

STRIPPERS = ("hd-bet", "template")

BRAIN_ML = (900.0, 2000.0)
"""Volume of an adult's whole brain."""

SMALLEST_ML = 600.0
"""Smallest brain mask that is accepted. Less than an adult's brain is found where the
field of view cuts it, or where the header states too small voxels."""

MIN_ROUNDNESS = 0.85
"""A whole ellipsoid has 1. HD-BET's masks of real heads had 0.94 to 0.96."""

MAX_UNLIKE = 0.06
"""Share of a mask that may be much darker or brighter than brain. Right masks of real
T1w heads had less than 0.01, masks that held skull and scalp 0.11 or more."""

UNLIKE = (0.25, 1.6)
"""Multiples of the median intensity below and above which a voxel is unlike brain."""

MIN_AGREEMENT = 0.9
"""Dice of the two methods below which their masks have to be looked at. On real heads
it was 0.94 to 0.96."""

REMEDY = (
    "another --strip, or a brain mask of your own (column brain of a manifest, "
    "desc-brain_mask in BIDS)"
)


@dataclasses.dataclass(frozen=True)
class Brain:
    """The brain that was found in a head.

    Attributes:
      mask: boolean ``(X, Y, Z)`` on the voxels of the scan.
      method: the method that found it, of `STRIPPERS`.
      quality: what is known about the mask, JSON-ready: volume in ml, roundness, share
        of voxels unlike brain (T1w and Gd-T1w only), and agreement of the two methods
        as a Dice (if both are installed).
    """

    mask: np.ndarray
    method: str
    quality: dict[str, float]


def best_stripper() -> str:
    """The method that ``auto`` uses: HD-BET if it is installed."""
    return "hd-bet" if has_hd_bet() else "template"


def strip(
    head: Volume, *, method: str, t1: bool, lesion: np.ndarray | None = None
) -> Brain:
    """Finds the brain in a head and checks it.

    Args:
      head: a scan with skull.
      method: of `STRIPPERS`.
      t1: whether the scan is T1-weighted, with or without contrast agent. The template
        method and the check of intensities need that.
      lesion: the annotated lesion on the voxels of the scan, or None; the template
        method takes it for brain.

    Raises:
      InputError: the method is not installed, or finds no brain.
      WrongMask: what it found does not look like a brain.
    """
    mask = _mask_by(method, head, t1=t1, lesion=lesion)
    quality = check_brain(mask, head, t1=t1, smallest_ml=SMALLEST_ML)
    if t1 and has_hd_bet() and has_ants():
        second = next(name for name in STRIPPERS if name != method)
        try:
            other = _mask_by(second, head, t1=t1, lesion=lesion)
        except InputError:
            other = np.zeros_like(mask)
        quality["agreement"] = round(dice(mask, other), 3)
    return Brain(mask, method, quality)


def _mask_by(
    method: str, head: Volume, *, t1: bool, lesion: np.ndarray | None
) -> np.ndarray:
    if method == "hd-bet":
        return largest_piece(hd_bet_mask(head))
    return largest_piece(template_mask(head, t1=t1, lesion=lesion))


def check_brain(
    mask: np.ndarray, scan: Volume, *, t1: bool, smallest_ml: float = BRAIN_ML[0]
) -> dict[str, float]:
    """Measures a brain mask, and refuses a mask that does not look like a brain.

    Args:
      mask: boolean ``(X, Y, Z)`` on the voxels of the scan.
      scan: the scan.
      t1: whether the scan is T1-weighted, so that the intensities can be checked.
      smallest_ml: smallest volume that is accepted.

    Returns:
      The measurements, see `Brain.quality`.

    Raises:
      WrongMask: the message says what was found and what can be done.
    """
    found = {"ml": round(volume_ml(mask, scan.affine), 1)}
    if not smallest_ml <= found["ml"] <= BRAIN_ML[1]:
        raise WrongMask(
            f"{scan.source}: the brain mask holds {found['ml']:.0f} ml, expected "
            f"{smallest_ml:.0f} to {BRAIN_ML[1]:.0f}; check the voxel size, or use "
            f"{REMEDY}",
            mask,
        )
    found["roundness"] = round(roundness(mask, scan.affine), 3)
    if found["roundness"] < MIN_ROUNDNESS:
        raise WrongMask(
            f"{scan.source}: the roundness of the brain mask is "
            f"{found['roundness']:.2f}, expected {MIN_ROUNDNESS} or more; use {REMEDY}",
            mask,
        )
    if t1:
        found["unlike"] = round(share_unlike_brain(scan.data[mask]), 4)
        if found["unlike"] > MAX_UNLIKE:
            raise WrongMask(
                f"{scan.source}: {100 * found['unlike']:.0f} % of the brain mask is as "
                f"dark as bone or as bright as fat, expected at most "
                f"{100 * MAX_UNLIKE:.0f} %; use {REMEDY}",
                mask,
            )
    return found


def has_skull(scan: Volume) -> bool:
    """Whether more of a scan is nonzero than the largest brain.

    Then it shows a whole head, or has noise around the brain.
    """
    return bool(volume_ml(scan.data != 0, scan.affine) > BRAIN_ML[1])


def volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume of a boolean mask in millilitres."""
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    return np.count_nonzero(mask) * voxel / 1000


def roundness(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume of a mask over that of the solid ellipsoid with the same second moments.

    It is 1 for an ellipsoid and less for a shell or for scattered pieces.
    """
    points = np.argwhere(mask) @ affine[:3, :3].T
    variances = np.linalg.eigvalsh(np.cov(points.T))
    # A solid ellipsoid of semi-axis a has the variance a ** 2 / 5 along it.
    ellipsoid = 4 / 3 * np.pi * np.sqrt(np.prod(5 * variances))
    return float(volume_ml(mask, affine) * 1000 / max(ellipsoid, 1e-6))


def share_unlike_brain(values: np.ndarray) -> float:
    """Share of T1w intensities that are as dark as bone or as bright as fat."""
    low, high = np.multiply(UNLIKE, np.median(values))
    return float(np.mean((values < low) | (values > high)))


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two boolean arrays: 1 if they are equal, 0 if they are disjoint."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / np.maximum(total, 1))
