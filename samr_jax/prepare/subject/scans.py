"""A subject's files, read and checked against one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.likely_preset import check_normal_brain
from samr_jax.data.nifti import (
    Volume,
    check_same_grid,
    in_axes_of,
    read_labels,
    read_volume,
    same_grid,
)
from samr_jax.labels import TISSUES, remap
from samr_jax.prepare.find.raw import (
    BRAIN_ROLE,
    LABELS_ROLE,
    RawSubject,
    companion,
)
from samr_jax.prepare.find.spacing import with_stated_spacing
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence

ANCHORS = ("T1w", "Gd-T1w")
"""Sequences that the others are registered to, the best first. Without any of these it
is the subject's first anatomic sequence."""


@dataclasses.dataclass(frozen=True)
class Scans:
    """One subject's data as they were read.

    Attributes:
      images: sequence -> scan.
      companions: sequence -> scan on the same voxels that is registered instead, such
        as the unsaturated image of an APTw map.
      labels: our label codes, on the voxels of one of the scans.
      labels_on: the sequence on whose voxels `labels` lies.
      brain: the user's brain mask on the anchor's voxels, or None.
      tissue: the user's maps ``(X, Y, Z, 3)`` on the anchor's voxels, or None.
      anchor: the sequence that all others are registered to.
    """

    images: Mapping[str, Volume]
    companions: Mapping[str, Volume]
    labels: np.ndarray
    labels_on: str
    brain: np.ndarray | None
    tissue: np.ndarray | None
    anchor: str

    @property
    def anatomic(self) -> list[str]:
        """The sequences that are no quantitative maps."""
        return _anatomic(self.images)


def read_scans(
    raw: RawSubject,
    sequences: Sequence[str],
    mapping: Mapping[int, int],
    *,
    one_grid: bool,
    spacing_of: tuple[float, float, float] | None = None,
) -> Scans:
    """Reads a subject.

    Args:
      raw: the subject's files.
      sequences: the sequences to read.
      mapping: value in the annotation -> our label code.
      one_grid: whether all files have to be on the same voxels.
      spacing_of: voxel size of files whose header has lost it, see
        `samr_jax.prepare.find.spacing`.

    Raises:
      InputError: a file is missing or unreadable, files that belong together are on
        different voxels, or the annotation has normal brain only inside a lesion.
    """

    def read(path: Path) -> Volume:
        return with_stated_spacing(read_volume(path), spacing_of)

    images = {name: read(raw.file(name)) for name in sequences}
    annotation = read_labels(raw.file(LABELS_ROLE))
    annotation = with_stated_spacing(annotation, spacing_of)
    if one_grid:
        check_same_grid({**images, LABELS_ROLE: annotation})
    anchor = _anchor(images)
    companions = {
        name: read(raw.files[companion(name)])
        for name in sequences
        if companion(name) in raw.files
    }
    for name, volume in companions.items():
        check_same_grid({name: images[name], companion(name): volume})
    annotation, home = _home(annotation, images, anchor)
    labels = remap(annotation.data, mapping, source=annotation.source)
    check_normal_brain(labels, source=annotation.source)
    return Scans(
        images=images,
        companions=companions,
        labels=labels,
        labels_on=home,
        brain=_brain(raw, images[anchor], read),
        tissue=_tissue(raw, images[anchor], read),
        anchor=anchor,
    )


def _anatomic(names: Iterable[str]) -> list[str]:
    return [name for name in names if MRSequence.named(name).anatomic]


def _anchor(images: Mapping[str, Volume]) -> str:
    anatomic = _anatomic(images)
    preferred = [name for name in ANCHORS if name in anatomic]
    return (preferred or anatomic or list(images))[0]


def _home(
    annotation: Volume, images: Mapping[str, Volume], anchor: str
) -> tuple[Volume, str]:
    """The annotation in the order of a scan's voxels, and that scan's sequence."""
    for name in (anchor, *images):
        turned = in_axes_of(annotation, images[name])
        if same_grid(turned, images[name]):
            return turned, name
    raise InputError(
        f"{annotation.source}: its grid is that of none of the sequences, for instance "
        f"{images[anchor].source}, expected one of them"
    )


def _brain(
    raw: RawSubject, anchor: Volume, read: Callable[[Path], Volume]
) -> np.ndarray | None:
    if BRAIN_ROLE not in raw.files:
        return None
    mask = in_axes_of(read(raw.files[BRAIN_ROLE]), anchor)
    check_same_grid({"anchor": anchor, BRAIN_ROLE: mask})
    return mask.data > 0.5


def _tissue(
    raw: RawSubject, anchor: Volume, read: Callable[[Path], Volume]
) -> np.ndarray | None:
    if not any(name in raw.files for name in TISSUES):
        return None
    maps = {name: read(raw.file(name)) for name in TISSUES}
    check_same_grid({"anchor": anchor, **maps})
    for volume in maps.values():
        low, high = volume.data.min(), volume.data.max()
        if low < -1e-3 or high > 1 + 1e-3:
            raise InputError(
                f"{volume.source}: tissue probabilities from {low:g} to {high:g}, "
                "expected 0 to 1"
            )
    return np.clip(np.stack([v.data for v in maps.values()], axis=-1), 0, 1)
