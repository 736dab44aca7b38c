"""Reading a prepared dataset: its description, its atlas, its slices.

A dataset is a directory::

    dataset.json            sequences, grid, windows, split, provenance, content hash
    atlas/<sequence>.nii.gz group average of the training subjects, in dataset units
    atlas/brain.nii.gz      fraction of training subjects whose brain covers a voxel
    atlas/{WM,GM,CSF}.nii.gz  average tissue maps of the training subjects, if they have
                            any (datasets of version 0.1.0 lack these files)
    lesion_ranges.json      sizes and places of the training subjects' lesions (datasets
                            of version 0.1.0 lack this file)
    samr_slices/1.0.0/      TFDS files, one ArrayRecord split each: train, val, test
    subjects.png            a picture of a few subjects
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from samr_jax.data.atlas import average_tissue
from samr_jax.data.lesion_ranges import LesionRanges, read_lesion_ranges
from samr_jax.data.nifti import read_volume
from samr_jax.data.slices import Slices
from samr_jax.data.splits import SPLITS, patient_in_name
from samr_jax.data.subject import Grid
from samr_jax.data.window import Window
from samr_jax.labels import TISSUES
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name, read_json
from samr_jax.sequences import check_sequences

FORMAT = 1
DESCRIPTION = "dataset.json"
MAX_EXTENT = 4096
"""Largest number of rows, columns or slices; a file with more is damaged."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A prepared dataset, opened for reading.

    Attributes:
      directory: the dataset's folder.
      sequences: names of the MR sequences, the order of every channel axis.
      grid: the slices' common grid.
      windows: per sequence, dataset units <-> network intensity.
      subject_windows: per subject, the windows of the sequences whose arbitrary units
        differ from scan to scan.
      splits: ``train``, ``val``, ``test`` -> subject names.
      patients: subject -> patient. Time points of one patient are several subjects.
        Empty in datasets that were written before it was recorded.
      simulated: whether the images come from the phantom.
      has_tissue: whether instances carry the tissue prior.
      content_hash: SHA-256 over all instances and the atlas.
      provenance: how it was made.
    """

    directory: Path
    sequences: tuple[str, ...]
    grid: Grid
    windows: Mapping[str, Window]
    subject_windows: Mapping[str, Mapping[str, Window]]
    splits: Mapping[str, tuple[str, ...]]
    patients: Mapping[str, str]
    simulated: bool
    has_tissue: bool
    content_hash: str
    provenance: Mapping

    @functools.cached_property
    def atlas(self) -> np.ndarray:
        """Group averages ``(Z, H, W, S)`` float32, network intensity in [-1, 1]."""
        volumes = [self._volume(f"{name}.nii.gz") for name in self.sequences]
        return self.normalise(None, np.stack(volumes, axis=-1))

    @functools.cached_property
    def brain(self) -> np.ndarray:
        """Boolean ``(Z, H, W)``: brain in at least half of the training subjects."""
        return self._volume("brain.nii.gz") >= 0.5

    @functools.cached_property
    def average_tissue(self) -> np.ndarray:
        """Average WM, GM and CSF maps of the training subjects, with lesions left out.

        ``(Z, H, W, 3)`` float32 in [0, 1]. A dataset of version 0.1.0 keeps none, so
        that they are computed from its training slices.

        Raises:
          InputError: the dataset has no tissue maps, or neither files nor slices.
        """
        if not self.has_tissue:
            raise InputError(f"{self.directory}: no tissue maps, expected some")
        if self.keeps_average_tissue:
            volumes = [self._volume(f"{name}.nii.gz") for name in TISSUES]
            return np.stack(volumes, axis=-1).astype(np.float32)
        shape = (self.grid.slices, *self.grid.size)
        subjects = len(self.splits["train"])
        return average_tissue(self.split("train"), shape, subjects=subjects)

    @property
    def keeps_average_tissue(self) -> bool:
        """Whether the average tissue maps are among the dataset's files."""
        return (self.directory / "atlas" / f"{TISSUES[-1]}.nii.gz").exists()

    @functools.cached_property
    def lesion_ranges(self) -> LesionRanges | None:
        """Ranges of the training subjects' lesions; None if they are not on record.

        `samr_jax.data.stacks.compute_lesion_ranges` computes them from the slices.
        """
        return read_lesion_ranges(self.directory)

    def patient_of(self, subject: str) -> str:
        """The patient of a subject, from the name where it is not recorded."""
        return self.patients.get(subject) or patient_in_name(subject)

    def split(self, name: str) -> Slices:
        """The slices of one split, ordered by subject and slice index."""
        if name not in self.splits:
            raise InputError(f"split {name!r}, expected one of {', '.join(SPLITS)}")
        return Slices(self, name)

    def _windows_of(self, subject: str | None) -> dict[str, Window]:
        own = {} if subject is None else self.subject_windows.get(subject, {})
        return {**self.windows, **own}

    def normalise(self, subject: str | None, images: np.ndarray) -> np.ndarray:
        """Maps a subject's images ``(..., S)`` to network intensity.

        With None for the subject, images are in dataset units.
        """
        windows = self._windows_of(subject)
        channels = [
            windows[name].normalise(images[..., i])
            for i, name in enumerate(self.sequences)
        ]
        return np.stack(channels, axis=-1)

    def restore(self, subject: str | None, images: np.ndarray) -> np.ndarray:
        """Maps network intensity ``(..., S)`` to units; the inverse of `normalise`."""
        windows = self._windows_of(subject)
        channels = [
            windows[name].restore(images[..., i])
            for i, name in enumerate(self.sequences)
        ]
        return np.stack(channels, axis=-1)

    def _volume(self, name: str) -> np.ndarray:
        path = self.directory / "atlas" / name
        volume = read_volume(path).data
        expected = (self.grid.slices, *self.grid.size)
        if volume.shape != expected[::-1]:
            raise InputError(f"{path}: shape {volume.shape}, expected {expected[::-1]}")
        return np.transpose(volume, (2, 1, 0))


def open_dataset(directory: Path | str) -> Dataset:
    """Opens the dataset in `directory`.

    Raises:
      InputError: there is no dataset, or its description is damaged.
    """
    directory = Path(directory)
    path = directory / DESCRIPTION
    if not path.exists():
        raise InputError(f"{directory}: no {DESCRIPTION}, expected a prepared dataset")
    fields = read_json(path)
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise InputError(f"{path}: no dataset description of format {FORMAT}")
    try:
        return _from_json(directory, fields)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise InputError(
            f"{path}: field missing or damaged ({error!r:.200})"
        ) from error


def to_json(dataset: Dataset) -> dict:
    """The content of ``dataset.json``; inverse of what `open_dataset` reads."""
    return {
        "format": FORMAT,
        "simulated": dataset.simulated,
        "sequences": list(dataset.sequences),
        "size": list(dataset.grid.size),
        "slices": dataset.grid.slices,
        "affine": np.asarray(dataset.grid.affine).tolist(),
        "tissue": dataset.has_tissue,
        "windows": _windows_to_json(dataset.windows),
        "split": {name: list(names) for name, names in dataset.splits.items()},
        "patients": dict(dataset.patients),
        "hash": dataset.content_hash,
        "provenance": dict(dataset.provenance),
        "subject_windows": {
            name: _windows_to_json(windows)
            for name, windows in dataset.subject_windows.items()
        },
    }


def _from_json(directory: Path, fields: Mapping) -> Dataset:
    sequences = check_sequences(fields["sequences"], source="sequences")
    affine = np.asarray(fields["affine"], np.float64)
    # NaN fails this comparison, too.
    if affine.shape != (4, 4) or not 1e-9 < abs(np.linalg.det(affine)) < 1e9:
        raise InputError("affine is not an invertible 4 x 4 matrix")
    height, width = (_extent(n) for n in fields["size"])
    windows = _windows_from_json(fields["windows"])
    missing = [name for name in sequences if name not in windows]
    if missing:
        raise InputError(f"no intensity window for sequence {missing[0]}")
    for name in ("simulated", "tissue"):
        if not isinstance(fields[name], bool):
            raise InputError(f"{name} is {fields[name]!r:.100}, expected true or false")
    return Dataset(
        directory=directory,
        sequences=sequences,
        grid=Grid((height, width), _extent(fields["slices"]), affine),
        windows=windows,
        subject_windows={
            name: _windows_from_json(item)
            for name, item in fields["subject_windows"].items()
        },
        splits=_splits_from_json(fields["split"]),
        patients=_patients_from_json(fields.get("patients", {})),
        simulated=fields["simulated"],
        has_tissue=fields["tissue"],
        content_hash=str(fields["hash"]),
        provenance=dict(fields["provenance"]),
    )


def _extent(value: int) -> int:
    if type(value) is not int or not 1 <= value <= MAX_EXTENT:
        raise InputError(f"{value!r:.100} rows, columns or slices, expected some")
    return value


def _splits_from_json(fields: Mapping) -> dict[str, tuple[str, ...]]:
    splits = {
        split: tuple(check_name(name, source=split) for name in fields[split])
        for split in SPLITS
    }
    names = [name for members in splits.values() for name in members]
    if len(set(names)) != len(names):
        raise InputError("a subject occurs twice, expected it in one split")
    return splits


def _patients_from_json(fields: Mapping) -> dict[str, str]:
    return {
        check_name(subject, source="patients"): check_name(patient, source="patients")
        for subject, patient in fields.items()
    }


def _windows_to_json(windows: Mapping[str, Window]) -> dict[str, list[float]]:
    return {name: [window.low, window.high] for name, window in windows.items()}


def _windows_from_json(fields: Mapping) -> dict[str, Window]:
    return {
        name: Window(float(low), float(high)) for name, (low, high) in fields.items()
    }
