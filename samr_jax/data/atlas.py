"""The atlas: each sequence's group average over the training subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.nifti import write_volume
from samr_jax.data.subject import Grid
from samr_jax.data.window import Window
from samr_jax.labels import ATLAS_NEIGHBOURS, BACKGROUND, LESION_LABELS, TISSUES
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence


def group_average(
    subjects: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Averages training subjects on a common grid, leaving lesions out.

    Args:
      subjects: pairs of images ``(Z, H, W, S)`` in network intensity, or tissue maps,
        and labels ``(Z, H, W)``; at least one.

    Returns:
      The mean over the subjects that are healthy at a voxel (over all where none is),
      and the fraction of subjects whose brain covers it, ``(Z, H, W)``.
    """
    healthy_sum = healthy = total = coverage = np.zeros(())
    count = 0
    for images, labels in subjects:
        weight = ~np.isin(labels, LESION_LABELS)[..., None]
        healthy_sum = healthy_sum + images.astype(np.float64) * weight
        healthy = healthy + weight
        total = total + images.astype(np.float64)
        coverage = coverage + (labels != BACKGROUND)
        count += 1
    average = np.where(
        healthy > 0, healthy_sum / np.maximum(healthy, 1), total / max(count, 1)
    )
    return average.astype(np.float32), (coverage / count).astype(np.float32)


def average_tissue(
    instances: Iterable[Mapping], shape: tuple[int, int, int], *, subjects: int
) -> np.ndarray:
    """The tissue maps' `group_average`, from the stored slices of the subjects.

    Args:
      instances: see `samr_jax.data.slices.Slices`. A slice without brain is left out:
        there is no tissue in it, and no lesion.
      shape: ``(Z, H, W)`` of the grid.
      subjects: number of the subjects.

    Returns:
      ``(Z, H, W, 3)`` float32 in [0, 1].
    """
    total, healthy = np.zeros((2, *shape, len(TISSUES)))
    lesions = np.zeros((*shape, 1))
    for item in instances:
        lesion = np.isin(item["labels"], LESION_LABELS)[..., None]
        maps = item["tissue"] / 255
        total[item["slice"]] += maps
        healthy[item["slice"]] += maps * ~lesion
        lesions[item["slice"]] += lesion
    average = healthy / np.maximum(subjects - lesions, 1)
    return np.where(lesions < subjects, average, total / subjects).astype(np.float32)


def stack_neighbours(volume: np.ndarray) -> np.ndarray:
    """Joins each slice with its axial neighbours along the channels (section IV-A).

    Args:
      volume: ``(Z, H, W, S)``.

    Returns:
      ``(Z, H, W, 3 S)``, sequence-major and slice-minor: below, at, above. The end
      slices repeat.
    """
    reach = ATLAS_NEIGHBOURS // 2
    offsets = np.arange(-reach, reach + 1)
    index = np.clip(np.arange(len(volume))[:, None] + offsets, 0, len(volume) - 1)
    stacked = np.moveaxis(volume[index], 1, -1)
    return stacked.reshape(*volume.shape[:3], -1)


def write_atlas(
    directory: Path,
    average: np.ndarray,
    coverage: np.ndarray,
    *,
    grid: Grid,
    sequences: Sequence[str],
    windows: Mapping[str, Window],
) -> None:
    """Writes the atlas in dataset units, one NIfTI per sequence, and the coverage."""
    volumes = {
        name: windows[name].restore(average[..., i]) for i, name in enumerate(sequences)
    }
    _write_volumes(directory, {**volumes, "brain": coverage}, grid)


def write_average_tissue(directory: Path, average: np.ndarray, grid: Grid) -> None:
    """Writes average tissue maps ``(Z, H, W, 3)`` in [0, 1], one NIfTI a tissue."""
    _write_volumes(
        directory, {name: average[..., i] for i, name in enumerate(TISSUES)}, grid
    )


def _write_volumes(
    directory: Path, volumes: Mapping[str, np.ndarray], grid: Grid
) -> None:
    for name, volume in volumes.items():
        data = np.ascontiguousarray(np.transpose(volume, (2, 1, 0)), np.float32)
        write_volume(directory / f"{name}.nii.gz", data, grid.affine)


def brain_of(atlas: np.ndarray, sequences: Sequence[str]) -> np.ndarray:
    """Where an atlas has brain, for masks that do not mark normal brain.

    At the edge of the brain the group average becomes darker, since fewer subjects have
    brain there. A voxel with half the usual brightness is in the brain of about half of
    the subjects.

    Args:
      atlas: ``(N, H, W, 3 S)`` network intensity, as `stack_neighbours` returns it.
      sequences: the S names.

    Returns:
      Boolean ``(N, H, W)``.

    Raises:
      InputError: no sequence is anatomic.
    """
    shown = [i for i, s in enumerate(sequences) if MRSequence.named(s).anatomic]
    if not shown:
        raise InputError(
            f"mask: no normal brain, expected it where the atlas has {sequences[0]} "
            "alone, which does not show the brain's edge"
        )
    at = [ATLAS_NEIGHBOURS * i + ATLAS_NEIGHBOURS // 2 for i in shown]
    brightness = (atlas[..., at].mean(axis=-1) + 1) / 2
    inside = brightness > 0.02
    usual = np.median(brightness[inside]) if inside.any() else np.inf
    return brightness > 0.5 * usual
