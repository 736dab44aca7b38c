"""The atlas below and above the slices of an embedded dataset.

The slices of the embedded dataset cover a part of the brain; the phantom has all of it.
The training subjects are rendered and averaged in further slices, so that a lesion near
the vertex or low in a temporal lobe has an atlas, too. No network was trained with
these slices. The folder ``further`` of a dataset holds them, in 8 bits::

    <sequence>.nii.gz       the group average, network intensity from -1 (0) to 1 (254)
    brain.nii.gz            fraction of the training subjects, from 0 (0) to 1 (254)
    {WM,GM,CSF}.nii.gz      average tissue maps, likewise

Each file has all slices. The dataset's own slices are 0 there, since the dataset has
them in files of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import joblib
import numpy as np

from samr_jax.data import phantom
from samr_jax.data.atlas import group_average
from samr_jax.data.atlas_space import AtlasSpace
from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, read_volume, write_volume
from samr_jax.data.planes import slices_of
from samr_jax.data.subject import Grid
from samr_jax.labels import TISSUES
from samr_jax.runtime.errors import InputError

FOLDER = "further"

SLICES = 3
"""Further slices on either side. Around the 15 slices of the embedded dataset they
reach from z = -22 to 66 mm. In a test of the packaged weights with more slices,
contrasts were wrong below z = -35 mm, and there were artefacts above z = 70 mm."""

_LEVELS = 254
"""Highest level that is stored. It is even, so that 127 stands for intensity 0 exactly,
which is an APTw of 0 %."""


def widened(grid: Grid, further: int = SLICES) -> Grid:
    """A grid with further slices below and above."""
    return cut(grid, -further, grid.slices + 2 * further)


def cut(grid: Grid, first: int, slices: int) -> Grid:
    """The grid of some neighbouring slices, from the index of the first."""
    affine = grid.affine.copy()
    affine[:, 3] += first * affine[:, 2]
    return Grid(grid.size, slices, affine)


def atlas_for(mask: Volume, dataset: Dataset) -> AtlasSpace:
    """The atlas of a dataset, with further slices if a mask needs them.

    Args:
      mask: in the space of the dataset. It needs further slices if it has voxels below
        or above the dataset's slices.
      dataset: the training data of a model. Without further slices, its own are all.

    Raises:
      InputError: a file of the further slices is missing, damaged or on another grid.
    """
    grid = dataset.grid
    slices = slices_of(np.linalg.inv(grid.affine) @ mask.affine, mask.data.shape)
    leaves = slices.min() < -0.5 or slices.max() > grid.slices - 0.5
    if leaves and (dataset.directory / FOLDER).is_dir():
        return read_all_slices(dataset)
    return AtlasSpace.of(dataset)


def read_all_slices(dataset: Dataset) -> AtlasSpace:
    """The atlas in a dataset's own and in its further slices.

    Raises:
      InputError: a file is missing, damaged or on another grid.
    """
    folder, grid = dataset.directory / FOLDER, widened(dataset.grid)
    own = slice(SLICES, SLICES + dataset.grid.slices)

    def read(names: Sequence[str], inner: np.ndarray, low: float) -> np.ndarray:
        """Values from `low` to 1 of some files, with the dataset's own slices."""
        files = [_read(folder / f"{name}.nii.gz", grid) for name in names]
        levels = np.stack(files, axis=-1)
        whole = low + (1 - low) / _LEVELS * levels
        whole[own] = inner
        return whole.astype(np.float32)

    brain = read(["brain"], dataset.brain[..., None], 0)[..., 0] >= 0.5
    images = read(dataset.sequences, dataset.atlas, -1)
    return AtlasSpace(grid, images, brain, read(TISSUES, dataset.average_tissue, 0))


def write_further_slices(
    dataset: Dataset, directory: Path, *, workers: int = -1
) -> None:
    """Renders and averages the training subjects of an embedded dataset.

    Args:
      dataset: see `can_be_rendered`.
      directory: the folder ``further`` of a copy of the dataset.
      workers: parallel processes, -1 for one a core. A subject of 256 x 256 takes about
        ten seconds.
    """
    lower = cut(dataset.grid, -SLICES, SLICES)
    upper = cut(dataset.grid, dataset.grid.slices, SLICES)
    average, coverage = group_average(_rendered(dataset, (lower, upper), workers))
    grid = widened(dataset.grid)
    names = (*dataset.sequences, *TISSUES)
    channels = dict(zip(names, np.moveaxis(average, -1, 0), strict=True))
    for name, values in {**channels, "brain": coverage}.items():
        levels = np.round(_LEVELS * np.clip(values, 0, 1)).astype(np.uint8)
        own = np.zeros((dataset.grid.slices, *grid.size), np.uint8)
        whole = np.concatenate([levels[:SLICES], own, levels[SLICES:]])
        path = directory / f"{name}.nii.gz"
        write_volume(path, np.transpose(whole, (2, 1, 0)), grid.affine)


def can_be_rendered(dataset: Dataset) -> bool:
    """Whether the subjects of a dataset are what the phantom draws in this version."""
    made = dataset.provenance
    return dataset.simulated and made.get("simulation") == phantom.VERSION


def _rendered(
    dataset: Dataset, grids: tuple[Grid, ...], workers: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The training subjects, one after the other, in the slices of several grids.

    Yields:
      Images and tissue maps ``(Z, H, W, S + 3)`` as shares of their range, from 0 to 1,
      and labels ``(Z, H, W)``.
    """
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    yield from parallel(
        joblib.delayed(_render)(dataset, name, grids)
        for name in dataset.splits["train"]
    )


def _render(
    dataset: Dataset, name: str, grids: tuple[Grid, ...]
) -> tuple[np.ndarray, np.ndarray]:
    parts = [
        phantom.simulate_subject(
            int(name.rpartition("-")[2]),
            seed=dataset.provenance["seed"],
            grid=grid,
            sequences=dataset.sequences,
            lesion_grid=dataset.grid,
        )
        for grid in grids
    ]
    images, labels, tissue = (
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("images", "labels", "tissue")
    )
    shares = (dataset.normalise(None, images) + 1) / 2
    return np.concatenate([shares, tissue], axis=-1), labels


def _read(path: Path, grid: Grid) -> np.ndarray:
    """The levels ``(Z, H, W)`` of a file."""
    volume = read_volume(path)
    expected = (grid.slices, *grid.size)[::-1]
    if volume.data.shape != expected:
        raise InputError(f"{path}: shape {volume.data.shape}, expected {expected}")
    return np.transpose(volume.data, (2, 1, 0))
