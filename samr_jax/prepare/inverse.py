"""The way back: from the dataset's grid and units to those of a patient's scan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, read_volume
from samr_jax.data.subject import Grid
from samr_jax.errors import InputError
from samr_jax.files import read_json
from samr_jax.prepare.provenance import RECORDS
from samr_jax.prepare.resample import resample_labels, resample_like
from samr_jax.prepare.standardise import Standard, landmarks
from samr_jax.prepare.strip import has_skull, place


@dataclasses.dataclass(frozen=True)
class Native:
    """A scan's own space.

    Attributes:
      shape: its voxels ``(X, Y, Z)``.
      affine: their indices to RAS+ millimetres.
      from_dataset: 4 x 4, from the dataset's RAS+ millimetres to the scan's.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    from_dataset: np.ndarray

    def labels_to_grid(self, labels: np.ndarray, grid: Grid) -> np.ndarray:
        """A label map ``(X, Y, Z)`` of the scan on the dataset's grid ``(Z, H, W)``."""
        return resample_labels(labels, self.affine, grid, transform=self.from_dataset)

    def from_grid(self, volume: np.ndarray, grid: Grid) -> np.ndarray:
        """A volume ``(Z, H, W)`` of the dataset's grid on the scan's voxels."""
        return resample_like(
            np.transpose(volume, (2, 1, 0)),
            grid.affine,
            self.shape,
            self.affine,
            transform=np.linalg.inv(self.from_dataset),
        )


def native_space(dataset: Dataset, subject: str, sequence: str) -> Native:
    """The space of a prepared subject's scan, as its preparation recorded it."""
    path = dataset.directory / RECORDS
    records = read_json(path)
    if subject not in records or sequence not in records[subject]["scans"]:
        raise InputError(
            f"{path}: no scan {sequence} of subject {subject!r}, expected one of "
            f"{', '.join(sorted(records))}"
        )
    scan = records[subject]["scans"][sequence]
    return Native(
        shape=tuple(scan["shape"]),
        affine=np.array(scan["affine"]),
        from_dataset=np.array(scan["from_dataset"]),
    )


def locate(reference: str | Path, provenance: Mapping) -> Native:
    """The space of a scan that was not prepared.

    Args:
      reference: the scan, with or without skull, preferably T1-weighted.
      provenance: of the dataset: whether its subjects were aligned with the template.
        If they were not, the scan's header has to place it as theirs do.
    """
    scan = read_volume(reference)
    motion = np.eye(4)
    if provenance.get("align"):
        motion = place(scan, strip=has_skull(scan)).rigid
    return Native(scan.data.shape, scan.affine, motion)


def in_units_of(
    image: np.ndarray, sequence: str, scan: Volume, healthy: np.ndarray, provenance
) -> np.ndarray:
    """Intensities of the dataset's standard scale in the unit of a patient's scan.

    Args:
      image: any shape, on the standard scale.
      sequence: its name.
      scan: the patient's scan of that sequence.
      healthy: boolean, the scan's voxels of brain outside the lesion.
      provenance: of the dataset; without a standard scale the image stays as it is.
    """
    if not provenance.get("standard"):
        return image
    scales = provenance["standard"]["scales"]
    standard = Standard({name: tuple(marks) for name, marks in scales.items()})
    if sequence not in standard.scales:
        return image
    marks = landmarks(scan.data[healthy], source=scan.source)
    return standard.undo(sequence, image, marks)
