"""One subject: its files read, checked and brought onto the common grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from samr_jax.data.nifti import Volume, check_same_grid, read_labels, read_volume
from samr_jax.data.subject import Grid, Subject
from samr_jax.errors import InputError
from samr_jax.labels import is_percent, mark_normal_brain, remap
from samr_jax.prepare.layouts import LABELS_ROLE, RawSubject
from samr_jax.prepare.resample import resample, resample_inside, resample_labels

MAX_BRAIN_SHARE = 0.6
"""More non-zero voxels than this are a head with its surroundings, not a brain."""


def read_subject(
    raw: RawSubject, sequences: Sequence[str]
) -> tuple[dict[str, Volume], Volume]:
    """Reads a subject's scans and annotation, which must share one grid."""
    images = {name: read_volume(raw.file(name)) for name in sequences}
    labels = read_labels(raw.file(LABELS_ROLE))
    check_same_grid({**images, LABELS_ROLE: labels})
    return images, labels


def brain_of(images: Mapping[str, Volume]) -> np.ndarray:
    """Brain of a skull-stripped subject: where an anatomic image is not zero."""
    anatomic = [v for name, v in images.items() if not is_percent(name)]
    brain = np.any([volume.data != 0 for volume in anatomic or images.values()], axis=0)
    if brain.mean() > MAX_BRAIN_SHARE:
        raise InputError(
            f"{next(iter(images.values())).source}: {100 * brain.mean():.0f} % of the "
            "voxels are not zero, expected a skull-stripped brain"
        )
    return brain


def prepare_subject(
    raw: RawSubject,
    *,
    name: str,
    patient: str,
    sequences: Sequence[str],
    mapping: Mapping[int, int],
    grid: Grid,
) -> Subject:
    """Brings a co-registered, skull-stripped subject onto the grid.

    Args:
      raw: its files.
      name: what it is called from here on.
      patient: who it is.
      sequences: what to read, the order of the channels.
      mapping: values of the annotation -> our codes.
      grid: the dataset's grid.
    """
    images, annotation = read_subject(raw, sequences)
    labels = remap(annotation.data, mapping, source=annotation.source)
    # A resected or necrotic part may be zero in all images and still belongs inside.
    brain = brain_of(images) | (labels > 0)
    labels = mark_normal_brain(labels, brain)
    affine = annotation.affine
    on_grid = resample_labels(labels, affine, grid)
    share = resample(brain, affine, grid)
    channels = [
        resample_inside(images[name].data, brain, share, affine, grid)
        for name in sequences
    ]
    inside = (on_grid > 0)[..., None]
    return Subject(
        name=name,
        images=np.stack(channels, axis=-1) * inside,
        labels=on_grid,
        patient=patient,
    )
