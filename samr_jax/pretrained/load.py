"""The packaged model and its example, ready to use."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.dataset import open_dataset
from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.nifti import read_labels
from samr_jax.runs.model import DATASET_COPY, Model
from samr_jax.runs.weights import read_weights

PACKAGE = Path(__file__).parent / "anatomy"
WEIGHTS, MASK, TABLE = "weights.safetensors", "mask.nii.gz", "scores.md"

_lock = threading.Lock()


def load_pretrained() -> Model:
    """The model of the packaged weights. A process reads it once, also with threads."""
    with _lock:
        return _load(PACKAGE)


def load_package(directory: Path | str) -> Model:
    """The model of a folder that `samr_jax.tables.pack.pack` has written.

    Raises:
      InputError: the folder holds no package, or a damaged one.
    """
    directory = Path(directory)
    dataset = open_dataset(directory / DATASET_COPY)
    return read_weights(directory / WEIGHTS, dataset)


_load = functools.cache(load_package)


def example() -> tuple[np.ndarray, np.ndarray]:
    """A simulated lesion mask and an atlas to try `samr_jax.synthesize` with.

    The mask is the slice with most lesion of a phantom that the packaged weights were
    not trained on. It is not of a patient.

    Returns:
      The label map ``(256, 256)`` uint8, and the packaged atlas at that height,
      ``(256, 256, 15)`` float32 in [-1, 1].
    """
    labels = np.transpose(read_labels(PACKAGE / MASK).data, (2, 1, 0)).astype(np.uint8)
    index = largest_first(labels)[0]
    return labels[index], stack_neighbours(load_pretrained().dataset.atlas)[index]
