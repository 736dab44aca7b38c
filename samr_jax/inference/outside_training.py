"""Whether a mask is outside of what a model was trained with.

The sizes, the number and the place of its lesions are compared with the ranges of the
training subjects, and its slices with theirs. A part that a mask lacks, such as a
cavity, is never outside: every training subject has slices without it.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.lesion_ranges import Ranges, slice_ranges, volume_ranges
from samr_jax.data.planes import Planes
from samr_jax.data.stacks import compute_lesion_ranges

_log = logging.getLogger(__name__)

FACTOR = 1.5
"""A size or number is outside if it is beyond all of the training by more than this
factor. Of 28 held-out phantoms, one has more edema than all training subjects."""

DISTANCE_MM = 10.0
"""A lesion's centre is outside if it lies further than this beyond the training's."""

COARSEST = 2.0
"""Voxels of a mask are outside if they are larger than the training's by more than this
factor. Smaller ones are sampled at the training's pixels."""

_ROUNDING = 1e-3
"""Slices whose heights differ by fewer millimetres have the same height."""

NOT_ON_RECORD = "not known: the weights keep no ranges of their training lesions"
"""Stands in the provenance in place of the comparison."""

_TEXT = {
    "lesions": "number of lesions {}",
    "x_mm": "lesion's centre at x = {} mm",
    "y_mm": "lesion's centre at y = {} mm",
    "z_mm": "lesion's centre at z = {} mm",
    "slices_mm": "slices at z = {} mm",
    "slice_size": "slices of {} pixels",
    "spacing_mm": "voxels of {} mm",
}
_UNITS = {"ml": "ml", "cm2": "cm²"}


@dataclasses.dataclass(frozen=True)
class Outside:
    """A property of a mask outside of its range in the training.

    Attributes:
      property: its name, such as ``tumor_ml``; see
        `samr_jax.data.lesion_ranges.LesionRanges`. Also ``slice_size``, ``spacing_mm``
        and ``slices_mm``, the heights of the lowest and the highest slice.
      found: its value or values.
      trained: smallest and largest value of the training, or the one size that all
        training slices have.
    """

    property: str
    found: float | Sequence[float]
    trained: Sequence[float]

    def __str__(self) -> str:
        name, _, unit = self.property.rpartition("_")
        text = _TEXT.get(self.property) or f"{name} {{}} {_UNITS[unit]}"
        if isinstance(self.found, Sequence):
            written = _heights if self.property == "slices_mm" else _times
            found, trained = (written(x) for x in (self.found, self.trained))
        else:
            low, high = self.trained
            found, trained = f"{self.found:.3g}", f"{low:.3g} to {high:.3g}"
        return f"{text.format(found)} (trained with {trained})"


Comparison = tuple[Outside, ...] | None
"""What is outside; None if the training's ranges are not on record."""


def compare_volume(labels: np.ndarray, planes: Planes, dataset: Dataset) -> Comparison:
    """Compares a mask and its planes with the training.

    Args:
      labels: ``(X, Y, Z)`` label map of our codes, background where there are no slices
        of the atlas.
      planes: of the mask on the grid of an atlas.
      dataset: the training data.
    """
    ranges = dataset.lesion_ranges
    if ranges is None:
        return None
    affine = planes.grid.affine @ planes.to_atlas
    found = volume_ranges(labels, affine)
    return (*_grid(planes, dataset), *beyond(found, ranges.volumes))


def compare_slices(labels: np.ndarray, dataset: Dataset) -> Comparison:
    """Compares slices ``(N, H, W)`` on the grid of the training with the training's."""
    ranges = dataset.lesion_ranges
    if ranges is None:
        return None
    if labels.shape[1:] != dataset.grid.size:
        # Without the size of a pixel, nothing else can be compared.
        return (Outside("slice_size", labels.shape[1:], dataset.grid.size),)
    return beyond(slice_ranges(labels, dataset.grid), ranges.slices)


def beyond(found: Ranges, trained: Ranges) -> tuple[Outside, ...]:
    """The properties of which a value lies beyond the training's range.

    Args:
      found: of a mask or its slices.
      trained: of the training subjects, see `Dataset.lesion_ranges`.
    """
    outside = []
    for name in found.keys() & trained.keys():
        low, high = trained[name]
        for value in found[name]:
            if not _tolerated(name, value, low, high):
                outside.append(Outside(name, value, (low, high)))
                break
    order = list(trained)
    return tuple(sorted(outside, key=lambda each: order.index(each.property)))


def compare_set(masks: Mapping[str, np.ndarray], dataset: Dataset) -> dict[str, Any]:
    """Compares a set of masks with the training, and tells the user what is outside.

    Args:
      masks: label maps ``(Z, H, W)`` on the grid of the training data, by name.
      dataset: the training data.

    Returns:
      What `record_of` returns, for each mask that is outside.
    """
    ranges = dataset.lesion_ranges or compute_lesion_ranges(dataset)
    compared = {
        name: beyond(volume_ranges(labels.T, dataset.grid.affine), ranges.volumes)
        for name, labels in masks.items()
    }
    outside = {name: found for name, found in compared.items() if found}
    if outside:
        first = next(iter(outside))
        _log.warning(
            "warning: %d of %d masks are outside, such as %s: %s",
            *(len(outside), len(masks), first, warning_of(outside[first])),
        )
    return {name: record_of(found) for name, found in outside.items()}


def warning_of(comparison: Comparison) -> str:
    """A line for the user; empty if nothing is outside."""
    if not comparison:
        return ""
    outside = ", ".join(map(str, comparison))
    return f"outside of what the weights were trained with: {outside}"


def record_of(comparison: Comparison) -> Any:
    """The comparison as JSON for the provenance."""
    if comparison is None:
        return NOT_ON_RECORD
    return [dataclasses.asdict(each) for each in comparison]


def _grid(planes: Planes, dataset: Dataset) -> tuple[Outside, ...]:
    """Whether slices have other sizes, voxels or heights than in the training."""
    grid, trained = planes.grid, dataset.grid
    found: list[Outside] = []
    if grid.size != trained.size:
        found.append(Outside("slice_size", grid.size, trained.size))
    spacing = np.array(grid.spacing)
    # One voxel of the mask, along the columns, rows and slices of the atlas.
    mask = spacing * np.abs(planes.to_atlas[:3, :3]).max(axis=1)
    apart = np.abs(np.log(spacing / trained.spacing))
    if (apart > np.log(COARSEST)).any():
        found.append(Outside("spacing_mm", grid.spacing, trained.spacing))
    elif (mask > COARSEST * np.array(trained.spacing)).any():
        found.append(Outside("spacing_mm", tuple(mask.tolist()), trained.spacing))
    first, step = grid.span[0], grid.affine[2, 2]
    heights = tuple(float(first + step * planes.heights[k]) for k in (0, -1))
    # A slice of the training is thick, and reaches half its thickness below and above.
    half, (low, high) = abs(trained.affine[2, 2]) / 2, trained.span
    if heights[0] < low - half - _ROUNDING or heights[1] > high + half + _ROUNDING:
        found.append(Outside("slices_mm", heights, trained.span))
    return tuple(found)


def _tolerated(name: str, value: float, low: float, high: float) -> bool:
    if name == "lesions":
        return value <= max(high * FACTOR, high + 1)
    if name.endswith("_mm"):
        return low - DISTANCE_MM <= value <= high + DISTANCE_MM
    # The last slice of every lesion shows a few pixels.
    smallest = 0 if name.endswith("_cm2") else low / FACTOR
    return smallest <= value <= high * FACTOR


def _heights(span: Sequence[float]) -> str:
    low, high = span
    return f"{low:.1f} to {high:.1f}"


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
