"""Pictures of one subject's slice after each step, for the quality page."""

from __future__ import annotations

import numpy as np

from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.resample import resample
from samr_jax.data.subject import Grid, Subject
from samr_jax.labels import BACKGROUND, LESION_LABELS, NORMAL
from samr_jax.prepare.grids import crop_slices
from samr_jax.prepare.subject.alignment import Alignment
from samr_jax.prepare.subject.grey import to_grey
from samr_jax.prepare.subject.scans import Scans

STAGES = ("as it came", "registered", "stripped", "corrected")


def stage_pictures(
    scans: Scans, alignment: Alignment, subject: Subject, grid: Grid
) -> dict[str, np.ndarray]:
    """The slice with most lesion, after each step.

    Returns:
      Stage -> ``(S, H, W)`` uint8, each view on a grey scale of its own; further
      ``slice`` -> the index of the slice, and ``labels`` -> its labels ``(H, W)``.
    """
    chosen = show_slice(subject.labels)
    plane = crop_slices(grid, chosen, chosen + 1)
    brain = subject.labels[chosen] != BACKGROUND
    rows = []
    for channel, (key, volume) in enumerate(scans.images.items()):
        came, registered = (
            resample(volume.data, volume.affine, plane, transform=where)[0]
            for where in (alignment.space, alignment.to_scan[key])
        )
        corrected = subject.images[chosen, ..., channel]
        views = (came, registered, registered * brain, corrected)
        rows.append([to_grey(view) for view in views])
    pictures = dict(zip(STAGES, np.stack(rows, axis=1), strict=True))
    return {**pictures, "slice": np.array(chosen), "labels": subject.labels[chosen]}


def show_slice(labels: np.ndarray) -> int:
    """The slice with most lesion, or with most brain if there is no lesion."""
    lesion = np.isin(labels, LESION_LABELS).any()
    return largest_first(labels, LESION_LABELS if lesion else (NORMAL,))[0]
