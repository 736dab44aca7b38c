"""Sizes, numbers and places of the lesions that a model was trained with.

A mask whose lesion is far larger than every lesion of the training, or lies where none
of them lay, is outside of what the weights know. The ranges of the training subjects
are kept with a dataset's description and with the weights, in ``lesion_ranges.json``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from samr_jax.data.subject import Grid
from samr_jax.labels import LABELS, LESION_LABELS
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json, write_json

LESION_RANGES = "lesion_ranges.json"

SMALLEST_PART = 0.1
"""Connected parts of a lesion below this size (ml, or cm² in a slice) do not count:
annotations have specks of single voxels."""

Ranges = Mapping[str, tuple[float, float]]
"""Smallest and largest value of each property, by names such as ``tumor_ml``."""


@dataclasses.dataclass(frozen=True)
class LesionRanges:
    """Ranges over the training subjects.

    A part that a mask lacks, such as a cavity, counts for no range.

    Attributes:
      volumes: of whole masks: ``lesion_ml``, ``edema_ml``, ``cavity_ml``, ``tumor_ml``,
        ``lesions`` (the number of connected parts), and the lesion's centre of mass
        ``x_mm``, ``y_mm``, ``z_mm`` in the dataset's space.
      slices: of axial slices: the same with areas in ``cm2`` and without ``z_mm``.
    """

    volumes: Ranges
    slices: Ranges


def ranges_of_subjects(subjects: Iterable[LesionRanges]) -> LesionRanges:
    """The ranges of several subjects, from each subject's own."""
    subjects = list(subjects)
    return LesionRanges(
        _joined(each.volumes for each in subjects),
        _joined(each.slices for each in subjects),
    )


def ranges_of_subject(labels: np.ndarray, grid: Grid) -> LesionRanges:
    """The ranges of one subject: the values of its mask, and those of its slices.

    Args:
      labels: ``(Z, H, W)`` label map of our codes.
      grid: its grid.
    """
    return LesionRanges(
        volume_ranges(np.transpose(labels, (2, 1, 0)), grid.affine),
        slice_ranges(labels, grid),
    )


def volume_ranges(labels: np.ndarray, affine: np.ndarray) -> Ranges:
    """The properties of a mask ``(X, Y, Z)``; empty without lesion.

    Args:
      labels: label map of our codes.
      affine: from voxel indices to RAS+ millimetres.
    """
    millilitres = abs(np.linalg.det(affine[:3, :3])) / 1000
    return _joined([_measure(labels, affine, millilitres, "ml")])


def slice_ranges(labels: np.ndarray, grid: Grid) -> Ranges:
    """The ranges over axial slices ``(N, H, W)`` on a grid; empty without lesion."""
    width, height, _ = grid.spacing
    measured = []
    for item in labels:
        voxels = item.T[..., None]
        found = _measure(voxels, grid.affine, width * height / 100, "cm2")
        # The slices of an array have no height that is known.
        found.pop("z_mm", None)
        measured.append(found)
    return _joined(measured)


def write_lesion_ranges(directory: Path, ranges: LesionRanges) -> None:
    """Writes the file that `read_lesion_ranges` reads."""
    write_json(directory / LESION_RANGES, dataclasses.asdict(ranges))


def read_lesion_ranges(directory: Path) -> LesionRanges | None:
    """The ranges that a directory keeps; None if it keeps none.

    Raises:
      InputError: the file is damaged.
    """
    path = directory / LESION_RANGES
    if not path.exists():
        return None
    content = read_json(path)
    try:
        return LesionRanges(*(_checked(content[k]) for k in ("volumes", "slices")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: damaged ({error!r:.200})") from error


def _measure(
    labels: np.ndarray, affine: np.ndarray, voxel: float, unit: str
) -> dict[str, float]:
    """The properties of a mask; those that it does not have are left out.

    Args:
      labels: ``(X, Y, Z)``.
      affine: from voxel indices to millimetres.
      voxel: size of a voxel in the unit.
      unit: ends the names of sizes.
    """
    lesion = np.isin(labels, LESION_LABELS)
    if not lesion.any():
        return {}
    counts = {"lesion": np.count_nonzero(lesion)}
    counts |= {LABELS[k]: np.count_nonzero(labels == k) for k in LESION_LABELS}
    parts, _ = ndimage.label(lesion, np.ones((3, 3, 3)))
    sizes = voxel * np.bincount(parts.ravel())[1:]
    centre = affine[:3, :3] @ np.argwhere(lesion).mean(axis=0) + affine[:3, 3]
    return {
        **{f"{name}_{unit}": count * voxel for name, count in counts.items() if count},
        "lesions": max(int(np.count_nonzero(sizes >= SMALLEST_PART)), 1),
        **dict(zip(("x_mm", "y_mm", "z_mm"), centre.tolist(), strict=True)),
    }


def _joined(found: Iterable[Mapping]) -> Ranges:
    """Smallest and largest value of each property, of values or of ranges."""
    values: dict[str, list[float]] = {}
    for each in found:
        for name, value in each.items():
            values.setdefault(name, []).extend(np.ravel(value).tolist())
    return {name: (min(some), max(some)) for name, some in values.items()}


def _checked(content: Mapping) -> Ranges:
    ranges = {str(name): (float(a), float(b)) for name, (a, b) in content.items()}
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"{name} from {low} to {high}")
    return ranges
