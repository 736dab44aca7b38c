"""The brain that a lesion is put into, for methods that are told tissue maps."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import Dataset, open_dataset
from samr_jax.data.phantom.healthy import draw_anatomy
from samr_jax.data.splits import SPLITS
from samr_jax.data.stacks import Stacks
from samr_jax.data.subject import Grid
from samr_jax.data.tissue import fit_to_brain
from samr_jax.labels import ATLAS_NEIGHBOURS, BACKGROUND, TISSUES
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError

AVERAGE = "average"
"""The anatomy that is the average of the training subjects."""


@dataclasses.dataclass(frozen=True)
class TissueMaps:
    """Tissue maps of an individual, and a record of where they came from.

    Attributes:
      maps: WM, GM and CSF ``(..., H, W, 3)`` in [0, 1].
      origin: JSON-ready, such as the content hash of a dataset. It names no file and no
        patient.
    """

    maps: np.ndarray
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the shape and the values."""
        maps = np.ascontiguousarray(self.maps, np.float32)
        return hashlib.sha256(f"{maps.shape}".encode() + maps.tobytes()).hexdigest()


Told = int | str | TissueMaps
"""Seed of a phantom's brain, `AVERAGE`, or an individual's tissue maps."""

Anatomy = Told | np.ndarray
"""The same, or tissue maps ``(..., H, W, 3)`` of unknown origin."""


def anatomy_record(anatomy: Anatomy) -> dict[str, Any]:
    """What a result's provenance says of an anatomy, JSON-ready.

    Tissue maps and their dataset are named by hashes alone, since the name of a subject
    may be a patient's.
    """
    if isinstance(anatomy, int):
        return {"kind": "simulated", "seed": anatomy}
    if isinstance(anatomy, str):
        return {"kind": anatomy}
    if not isinstance(anatomy, TissueMaps):
        anatomy = TissueMaps(anatomy)
    return {"kind": "maps", "maps_sha256": anatomy.digest, **anatomy.origin}


def chosen_anatomy(model: Model, anatomy: Anatomy | None) -> Told | None:
    """The anatomy that a model is told: by default the phantom's brain of seed 0.

    Returns:
      None for a method without tissue maps.

    Raises:
      InputError: an anatomy is given to a method that cannot be told one, or it is
        neither a seed nor `AVERAGE` nor tissue maps.
    """
    if anatomy is None and "tissue" not in model.method.fields:
        return None
    check_told(model)
    anatomy = 0 if anatomy is None else anatomy
    if isinstance(anatomy, (int, np.integer)) and anatomy >= 0:
        return int(anatomy)
    if isinstance(anatomy, TissueMaps):
        return anatomy
    if not isinstance(anatomy, (int, np.integer, str)):
        return TissueMaps(np.asarray(anatomy))
    if anatomy == AVERAGE:
        return anatomy
    raise InputError(
        f"anatomy: {anatomy!r:.100}, expected a seed from 0, {AVERAGE!r} or tissue maps"
    )


def check_told(model: Model) -> None:
    """Raises an `InputError` if the method of a model is told no anatomy."""
    if "tissue" not in model.method.fields:
        raise InputError(
            f"anatomy: {model.method.name} is told no individual's anatomy, "
            "expected a run of configs/anatomy.py"
        )


def maps_on_grid(anatomy: Told, dataset: Dataset, grid: Grid) -> np.ndarray:
    """Tissue maps ``(Z, H, W, 3)`` float32 in [0, 1] on the grid of an atlas.

    Raises:
      InputError: the anatomy is on another grid, or the dataset has no average.
    """
    if isinstance(anatomy, int):
        return draw_anatomy(anatomy, grid=grid)
    maps = dataset.average_tissue if isinstance(anatomy, str) else anatomy.maps
    return checked_maps(maps, (grid.slices, *grid.size))


def maps_of_slices(anatomy: Told, dataset: Dataset, atlas: np.ndarray) -> np.ndarray:
    """Tissue maps ``(N, H, W, 3)`` for slices that are known by their atlas alone.

    A brain on the dataset's grid is cut at the heights where the dataset's atlas is the
    most similar to the given one.

    Args:
      anatomy: as `chosen_anatomy` returns it.
      dataset: of the model.
      atlas: ``(N, H, W, 3 S)`` in [-1, 1].

    Raises:
      InputError: the maps do not fit the slices, or the slices not the dataset's grid.
    """
    size = atlas.shape[1:3]
    if isinstance(anatomy, TissueMaps):
        return checked_maps(anatomy.maps, (len(atlas), *size))
    if size != tuple(dataset.grid.size):
        raise InputError(
            f"anatomy: slices of {size}, expected {tuple(dataset.grid.size)} as the "
            "model's, or tissue maps of your own"
        )
    middle = atlas[..., ATLAS_NEIGHBOURS // 2 :: ATLAS_NEIGHBOURS]
    heights = [
        int(np.square(dataset.atlas - one).mean(axis=(1, 2, 3)).argmin())
        for one in middle
    ]
    return maps_on_grid(anatomy, dataset, dataset.grid)[heights]


def checked_maps(maps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """float32 maps ``(*shape, 3)``; a single slice serves all.

    Raises:
      InputError: the shape is another, or a value is not in [0, 1].
    """
    maps, expected = np.asarray(maps, np.float32), (*shape, len(TISSUES))
    if maps.shape == expected[1:]:
        maps = np.broadcast_to(maps, expected)
    if maps.shape != expected:
        raise InputError(f"anatomy: maps of shape {maps.shape}, expected {expected}")
    # Written so that NaN is refused, too.
    if not (maps.min() >= 0 and maps.max() <= 1 + 1e-3):
        raise InputError("anatomy: values outside [0, 1], expected probabilities")
    return maps


def fitted(anatomy: Told, maps: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The maps in the outline of the mask's brain; the average stays as it is.

    Args:
      anatomy: as `chosen_anatomy` returns it.
      maps: its maps ``(N, H, W, 3)``.
      labels: mask ``(N, H, W)`` with normal brain.
    """
    if isinstance(anatomy, str):
        return maps
    return fit_to_brain(maps, labels != BACKGROUND)


def read_anatomy(text: str, model: Model) -> Told | Path:
    """Reads ``seed:N``, ``average``, ``DATASET/SUBJECT`` or ``SCAN.nii.gz``.

    A subject is one of a prepared dataset on the grid of the model's training data.

    Returns:
      The anatomy; for a scan its path, see `samr_jax.inference.scanned_brain`.

    Raises:
      InputError: it is none of these, or the subject cannot be used.
    """
    kind, _, number = text.partition(":")
    if kind == "seed" and number.isdecimal():
        return int(number)
    if text == AVERAGE:
        return text
    if text.endswith((".nii", ".nii.gz")):
        return Path(text)
    directory, name = Path(text).parent, Path(text).name
    if not (directory / "dataset.json").exists():
        raise InputError(
            f"anatomy: {text!r}, expected seed:N, {AVERAGE}, DATASET/SUBJECT or "
            "SCAN.nii.gz"
        )
    dataset = open_dataset(directory)
    split = next((s for s in SPLITS if name in dataset.splits[s]), None)
    if split is None or not dataset.has_tissue:
        missing = f"subject {name!r}" if split is None else "tissue maps"
        raise InputError(f"anatomy: {directory}: no {missing}, expected some")
    own, grid = dataset.grid, model.dataset.grid
    same = (own.size, own.slices) == (grid.size, grid.slices)
    if not same or not np.allclose(own.affine, grid.affine, atol=1e-3):
        raise InputError(f"anatomy: {directory}: on another grid than the model's data")
    maps = np.asarray(Stacks(dataset, split)[name].tissue, np.float32) / 255
    return TissueMaps(maps, {"dataset_hash": dataset.content_hash})
