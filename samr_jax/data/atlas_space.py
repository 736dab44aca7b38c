"""An atlas with the grid that it is on, as the synthesis of a volume needs it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import check_same_grid, read_volume
from samr_jax.data.orientation import axial, axial_affine
from samr_jax.data.subject import Grid


@dataclasses.dataclass(frozen=True)
class AtlasSpace:
    """An atlas and the grid that it is on.

    Attributes:
      grid: the grid.
      volumes: ``(Z, H, W, S)`` network intensity in [-1, 1].
      brain: boolean ``(Z, H, W)``.
      tissue: average WM, GM and CSF maps ``(Z, H, W, 3)`` in [0, 1]; None if the
        dataset's maps are to be taken, which are on the dataset's grid.
    """

    grid: Grid
    volumes: np.ndarray
    brain: np.ndarray
    tissue: np.ndarray | None = None

    @staticmethod
    def of(dataset: Dataset) -> AtlasSpace:
        """The atlas in the slices of a dataset."""
        return AtlasSpace(dataset.grid, dataset.atlas, dataset.brain)


def read_atlas(directory: Path | str, dataset: Dataset) -> AtlasSpace:
    """Reads a user's atlas: one NIfTI a sequence, all on one grid.

    Args:
      directory: holds ``<sequence>.nii.gz`` in dataset units, and optionally
        ``brain.nii.gz``; without that file the brain is where any sequence is not 0.
        The directory of a prepared dataset can be given as well.
      dataset: says which sequences are needed, and their windows.

    Raises:
      InputError: a sequence is missing or on another grid.
    """
    directory = Path(directory)
    if (directory / "atlas").is_dir():
        directory = directory / "atlas"
    names = list(dataset.sequences)
    if (directory / "brain.nii.gz").exists():
        names.append("brain")
    volumes = {name: read_volume(directory / f"{name}.nii.gz") for name in names}
    check_same_grid(volumes)
    affine = next(iter(volumes.values())).affine
    arrays = {name: axial(v.data, affine) for name, v in volumes.items()}
    images = np.stack([arrays[name] for name in dataset.sequences], axis=-1)
    brain = arrays["brain"] >= 0.5 if "brain" in arrays else (images != 0).any(axis=-1)
    turned = axial_affine(affine, next(iter(volumes.values())).data.shape)
    grid = Grid(brain.shape[1:], len(brain), turned)
    return AtlasSpace(grid, dataset.normalise(None, images), brain)
