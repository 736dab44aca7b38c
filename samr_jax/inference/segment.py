"""Segmentation of a patient's scans: images in NIfTI in, a label map on their grid out.

The scans are resampled onto the grid of the training data, as in preparation. The
probabilities of the labels are resampled back to the scans' own voxels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, check_same_grid, read_volume
from samr_jax.data.resample import resample, resample_inside
from samr_jax.data.subject import Grid
from samr_jax.data.window import fit_window, pack
from samr_jax.labels import BACKGROUND, LABELS
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.find.raw import RawSubject
from samr_jax.runs.batched import segment_all
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError


def read_scans(directory: Path | str, dataset: Dataset) -> dict[str, Volume]:
    """Reads the scans of a patient, all on one grid.

    Args:
      directory: holds ``<sequence>.nii.gz``, or the scans of one patient by the names
        of a layout that preparation knows, such as ``..._t1ce.nii.gz`` of BraTS 2021.
      dataset: says which sequences are needed.

    Raises:
      InputError: a sequence is missing, unreadable or on another grid.
    """
    files = {name: Path(directory) / f"{name}.nii.gz" for name in dataset.sequences}
    if not any(path.exists() for path in files.values()):
        patient = _patient_in(directory, example=next(iter(files.values())))
        files = {name: patient.file(name) for name in dataset.sequences}
    scans = {name: read_volume(path) for name, path in files.items()}
    check_same_grid(scans)
    return scans


def segment_volume(model: Model, scans: Mapping[str, Volume]) -> np.ndarray:
    """Finds brain, edema, cavity and tumor in a patient's scans.

    Args:
      model: one whose method segments.
      scans: a co-registered, skull-stripped volume of every sequence, in the space of
        the model's atlas. Intensities are in the unit of the training data; if every
        training scan had a window of its own, any unit will do.

    Returns:
      Our label codes ``(X, Y, Z)`` uint8 on the scans' grid; background outside the
      brain and beyond the slices that the model was trained on.

    Raises:
      InputError: the method cannot segment, or the scans lie elsewhere.
    """
    if not model.method.can_segment:
        raise InputError(
            f"{model.method.name} does not segment, expected a run of a method that "
            "does, such as configs/unpaired.py"
        )
    first, grid = next(iter(scans.values())), model.dataset.grid
    brain = np.any([scan.data != 0 for scan in scans.values()], axis=0)
    share = resample(brain.astype(np.float32), first.affine, grid)
    if not (share >= 0.5).any():
        raise InputError(
            f"{first.source}: no brain within the training data's slices, expected "
            "scans in the space of its atlas"
        )
    images = np.stack(
        [
            resample_inside(scan.data, brain, share, first.affine, grid)
            for scan in scans.values()
        ],
        axis=-1,
    )
    images = _normalise(model.dataset, images, share >= 0.5)
    probabilities = segment_all(model, {"images": pack(images)})
    labels = _on_scans(probabilities, grid, first)
    labels[~brain] = BACKGROUND
    return labels


def _patient_in(directory: Path | str, *, example: Path) -> RawSubject:
    """The one patient of a folder, whose files are named by a known layout."""
    try:
        subjects = find_subjects(directory).subjects
    except InputError as error:
        raise InputError(f"{example}: no such file ({error})") from error
    if len(subjects) > 1:
        raise InputError(
            f"{directory}: {len(subjects)} subjects, expected the folder of one"
        )
    return subjects[0]


def _normalise(dataset: Dataset, images: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Network intensity, by the same windows as the dataset's own subjects have."""
    own = {name for windows in dataset.subject_windows.values() for name in windows}
    channels = [
        (
            fit_window(name, images[..., i], brain)
            if name in own
            else dataset.windows[name]
        ).normalise(images[..., i])
        for i, name in enumerate(dataset.sequences)
    ]
    return np.stack(channels, axis=-1)


def _on_scans(probabilities: np.ndarray, grid: Grid, scan: Volume) -> np.ndarray:
    """The likeliest label ``(X, Y, Z)`` at each of the scan's voxels."""
    columns, rows, planes = scan.data.shape
    own_grid = Grid((rows, columns), planes, scan.affine)
    # One more voxel on every side, so that the outer half of the outermost voxels
    # counts as inside.
    affine = grid.affine.copy()
    affine[:3, 3] -= grid.affine[:3, :3].sum(axis=1)
    on_scans = [
        resample(np.pad(probabilities[..., code], 1, "edge").T, affine, own_grid)
        for code in range(len(LABELS))
    ]
    return np.argmax(on_scans, axis=0).T.astype(np.uint8)
