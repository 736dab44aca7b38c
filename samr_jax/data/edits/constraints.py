"""Rules of every edit: stay in the brain, keep labels nested, report what is lost.

The annotation protocol (section IV-A): first the lesion is drawn, then cavity and tumor
within it, and the remainder is edema. A label map has one code per voxel, so the lesion
is the union of the three labels, and cavity and tumor are painted over edema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from samr_jax.labels import (
    BACKGROUND,
    CAVITY,
    EDEMA,
    LABELS,
    LESION_LABELS,
    NORMAL,
    TUMOR,
)
from samr_jax.runtime.errors import InputError

MAX_LOST = 0.2
"""Share of a lesion that may be clipped at the brain's edge; more is an error."""

PARTS = {
    "edema": (EDEMA,),
    "cavity": (CAVITY,),
    "tumor": (TUMOR,),
    "lesion": LESION_LABELS,
}
"""Parts of a lesion that an edit can name, with their label codes."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """The surroundings of an edit: voxel sizes and donors.

    Attributes:
      spacing: millimetres between cells along each array axis.
      donors: label maps of other patients on the same grid, by name.
    """

    spacing: tuple[float, ...]
    donors: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def donor(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A donor's labels; an `InputError` if it is unknown or not of this `shape`."""
        if name not in self.donors:
            known = ", ".join(self.donors) or "none"
            raise InputError(f"donor {name!r} is not given, expected one of: {known}")
        labels = check_labels(self.donors[name], source=f"donor {name}")
        if labels.shape != shape:
            raise InputError(
                f"donor {name}: shape {labels.shape}, expected {shape} as the edited "
                "labels"
            )
        return labels


def check_labels(labels: np.ndarray, *, source: str) -> np.ndarray:
    """Returns the label map as uint8.

    Raises:
      InputError: it is not ``[H, W]`` or ``[Z, H, W]``, or a value is none of our
        codes.
    """
    labels = np.asarray(labels)
    if labels.ndim not in (2, 3):
        raise InputError(
            f"{source}: shape {labels.shape}, expected [H, W] or [Z, H, W]"
        )
    known = np.isin(labels, range(len(LABELS)))
    if not known.all():
        raise InputError(
            f"{source}: label value {labels[~known][0]}, expected 0 to "
            f"{len(LABELS) - 1}"
        )
    return labels.astype(np.uint8)


def part_of(labels: np.ndarray, part: str, *, source: str = "labels") -> np.ndarray:
    """Boolean mask of a part of `PARTS`; an `InputError` if it is empty."""
    region = np.isin(labels, PARTS[part])
    if not region.any():
        raise InputError(f"{source}: no {part}, expected some to edit")
    return region


def lesion_of(labels: np.ndarray, *, source: str = "labels") -> np.ndarray:
    """Labels of the lesion, 0 elsewhere; an `InputError` if there is no lesion."""
    return np.where(part_of(labels, "lesion", source=source), labels, BACKGROUND)


def healthy(labels: np.ndarray) -> np.ndarray:
    """The same brain with normal brain in place of the lesion."""
    return np.where(labels == BACKGROUND, BACKGROUND, NORMAL).astype(np.uint8)


def clipped(
    region: np.ndarray, brain: np.ndarray, *, expected: int, name: str = "lesion"
) -> np.ndarray:
    """Cuts a region off at the brain's edge.

    Args:
      region: boolean mask, or labels of a lesion that are 0 elsewhere.
      brain: boolean mask of the same shape.
      expected: number of voxels of the whole region.
      name: name of the region, for the error.

    Returns:
      `region` with 0 outside the brain.

    Raises:
      InputError: more than `MAX_LOST` of `expected` would be lost.
    """
    inside = np.where(brain, region, 0).astype(region.dtype)
    lost = 1 - np.count_nonzero(inside) / max(expected, 1)
    if lost > MAX_LOST:
        raise InputError(
            f"{100 * lost:.0f} % of the {name} would leave the brain, expected at most "
            f"{100 * MAX_LOST:.0f} %"
        )
    return inside


def paint_lesion(
    labels: np.ndarray, lesion: np.ndarray, *, expected: int
) -> np.ndarray:
    """Paints a lesion into a brain, in place of the lesion that it has.

    Args:
      labels: the label map; its lesion becomes normal brain.
      lesion: labels of the new lesion, 0 elsewhere.
      expected: number of voxels of the whole new lesion, to see how much of it is lost.

    Raises:
      InputError: see `clipped`.
    """
    lesion = clipped(lesion, labels != BACKGROUND, expected=expected)
    return np.where(lesion > 0, lesion, healthy(labels))


def paint_parts(
    brain: np.ndarray, lesion: np.ndarray, cavity: np.ndarray, tumor: np.ndarray
) -> np.ndarray:
    """Labels of boolean masks: tumor over edema, cavity over both, all in the brain."""
    labels = np.where(lesion, EDEMA, NORMAL)
    labels[tumor] = TUMOR
    labels[cavity] = CAVITY
    return np.where(brain, labels, BACKGROUND).astype(np.uint8)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises an `InputError` unless the parameter is a number in [low, high]."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise InputError(f"{name}={value}, expected a number in [{low:g}, {high:g}]")
