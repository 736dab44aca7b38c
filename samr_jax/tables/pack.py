"""Packing a finished run into a folder: weights, atlas, an example, scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.dataset import Dataset
from samr_jax.data.further_slices import (
    FOLDER,
    can_be_rendered,
    write_further_slices,
)
from samr_jax.data.nifti import write_volume
from samr_jax.evaluation.evaluate import filled_split
from samr_jax.evaluation.evaluation_figures import lesion_rows
from samr_jax.inference.api import synthesize
from samr_jax.pretrained.load import MASK, TABLE, WEIGHTS, load_package
from samr_jax.runs.model import DATASET_COPY, Model
from samr_jax.runs.weights import write_weights
from samr_jax.runs.workdir import keep_description
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import new_directory, write_text

TOLERANCE = 1 / 127.5
"""One grey level of 256, in network intensity: half precision may change as much."""


def pack(
    model: Model,
    dataset: Dataset,
    directory: Path,
    *,
    scores: Mapping[str, Any],
    table: str,
) -> None:
    """Writes a folder that `samr_jax.pretrained.load.load_package` reads.

    Args:
      model: a trained one that synthesizes from masks and the atlas.
      dataset: the dataset of its training, whose test split gives the example.
      directory: a new directory.
      scores: JSON-ready; kept in the file of the weights.
      table: the same scores as a Markdown page, which becomes a file of its own.

    Raises:
      InputError: the directory is not empty, or half precision changes the images.
    """
    if not dataset.simulated:
        raise InputError(
            f"{dataset.directory}: of patients, expected simulated data: a package "
            "holds a subject's mask"
        )
    labels = _example(dataset)
    with new_directory(directory) as folder:
        write_weights(folder / WEIGHTS, model, scores)
        keep_description(dataset, folder / DATASET_COPY)
        if can_be_rendered(dataset):
            write_further_slices(dataset, folder / DATASET_COPY / FOLDER)
        volume = np.transpose(labels, (2, 1, 0))
        write_volume(folder / MASK, volume, dataset.grid.affine)
        write_text(folder / TABLE, table)
        _check(model, load_package(folder), labels)


def _example(dataset: Dataset) -> np.ndarray:
    """Labels ``(Z, H, W)`` of the test subject that has the slice with most lesion."""
    slices = filled_split(dataset, "test")
    (row,) = lesion_rows(slices, 1)
    subject = slices[row]["subject"]
    return np.stack([item["labels"] for item in slices if item["subject"] == subject])


def _check(model: Model, packed: Model, labels: np.ndarray) -> None:
    middle = len(labels) // 2
    atlas = stack_neighbours(packed.dataset.atlas)[middle]
    before, after = (
        synthesize(labels[middle], atlas, checkpoint=used).images
        for used in (model, packed)
    )
    if (error := np.abs(before - after).max()) > TOLERANCE:
        raise InputError(
            f"half precision changes the images by {error:.4f}, expected at most "
            f"{TOLERANCE:.4f} of the range [-1, 1]"
        )
