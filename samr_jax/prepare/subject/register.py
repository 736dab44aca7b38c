"""Rigid registration by mutual information, and a test whether it is needed."""

from __future__ import annotations

import tempfile

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import coarsened, sample
from samr_jax.prepare.subject.ants_bridge import load_ants, read_matrix, to_ants

REGISTRATION_SPACING_MM = 2.0
"""Scans are averaged to voxels of about this size before they are registered."""

_BINS = 32
_PROBE_MM = 2.0
"""Size of the trial shifts in millimetres, and of the trial rotations in degrees."""

_GAIN = 1.02
"""Gain in mutual information by a trial motion that shows misalignment. In challenge
data, which are registered, the ratio reaches 1.00."""


def register_rigid(fixed: Volume, moving: Volume) -> np.ndarray:
    """Finds where the points of one scan lie in another of the same head.

    Returns:
      4 x 4, from the fixed scan's RAS+ millimetres to the moving scan's.
    """
    ants = load_ants()
    images = [
        to_ants(*coarsened(v.data, v.affine, REGISTRATION_SPACING_MM))
        for v in (fixed, moving)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        result = ants.registration(*images, "Rigid", outprefix=f"{scratch}/")
        return read_matrix(result["fwdtransforms"][0])


def is_aligned(fixed: Volume, moving: Volume) -> bool:
    """Whether two scans show the head in the same place.

    They do if no shift by 2 mm and no rotation by 2 degrees, in any direction, raises
    their mutual information by more than noise does. An offset of little more than 1 mm
    is thereby noticed.
    """
    points, values = _points_in_head(fixed)
    centre = points.mean(axis=0)

    def information(motion: np.ndarray) -> float:
        moved = (points - centre) @ motion[:3, :3].T + centre + motion[:3, 3]
        return mutual_information(values, sample(moving.data, moving.affine, moved))

    here = information(np.eye(4))
    return all(information(motion) <= _GAIN * here for motion in _trial_motions())


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information, in nats, of two lists of intensities from their histogram."""
    joint, _, _ = np.histogram2d(_binned(first), _binned(second), bins=_BINS)
    joint /= joint.sum()
    outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    held = joint > 0
    return float(np.sum(joint[held] * np.log(joint[held] / outer[held])))


def _binned(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (1, 99))
    return np.clip(values, low, high if high > low else low + 1)


def _points_in_head(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """About 50 000 points of the scan in millimetres ``(N, 3)``, and their values."""
    data, affine = coarsened(volume.data, volume.affine, 2 * REGISTRATION_SPACING_MM)
    indices = np.moveaxis(np.indices(data.shape), 0, -1).reshape(-1, 3)
    return indices @ affine[:3, :3].T + affine[:3, 3], data.ravel()


def _trial_motions() -> list[np.ndarray]:
    """Shifts along and rotations about the three axes, in both directions."""
    motions = []
    for axis in range(3):
        for sign in (-1, 1):
            shift = np.eye(4)
            shift[axis, 3] = sign * _PROBE_MM
            motions += [shift, rotation(axis, sign * np.radians(_PROBE_MM))]
    return motions


def rotation(axis: int, angle: float) -> np.ndarray:
    """4 x 4 rotation by `angle` radians about a coordinate axis."""
    i, j = (a for a in range(3) if a != axis)
    matrix = np.eye(4)
    matrix[[i, j], [i, j]] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def nearest_rigid(affine: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The rigid motion with the rotation of an affine motion and its image of `centre`.

    Args:
      affine: 4 x 4.
      centre: the point in millimetres that both motions take to the same place.
    """
    left, _, right = np.linalg.svd(affine[:3, :3])
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    rigid = np.eye(4)
    rigid[:3, :3] = turn
    rigid[:3, 3] = affine[:3, :3] @ centre + affine[:3, 3] - turn @ centre
    return rigid
