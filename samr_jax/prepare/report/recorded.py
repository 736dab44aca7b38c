"""Reads what a preparation recorded: ``subjects.json``, and the standard scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import DESCRIPTION, MAX_EXTENT, Dataset
from samr_jax.prepare.report.provenance import RECORDS
from samr_jax.prepare.subject.landmarks import PERCENTILES
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.records import (
    NUMBER,
    TEXT,
    each,
    fields,
    list_of,
    read_record,
    value,
)

_EXTENT = value(
    f"1 to {MAX_EXTENT} voxels", lambda x: type(x) is int and 1 <= x <= MAX_EXTENT
)


def read_records(directory: Path) -> dict[str, Any]:
    """The record of every subject of a prepared dataset; see `write_records`.

    Raises:
      InputError: the file cannot be read, or a field is missing or damaged.
    """
    return read_record(directory / RECORDS, each(_SUBJECT))


def standard_scales(dataset: Dataset) -> dict[str, np.ndarray]:
    """Sequence -> standard values of the landmarks ``(11,)``; empty without a scale.

    Raises:
      InputError: the description of the dataset is damaged there.
    """
    standard = dataset.provenance.get("standard")
    if not standard:
        return {}
    try:
        _STANDARD("provenance.standard", standard)
    except InputError as error:
        raise InputError(f"{dataset.directory / DESCRIPTION}: {error}") from None
    return {name: np.array(marks) for name, marks in standard["scales"].items()}


def standard_scale(dataset: Dataset, sequence: str) -> np.ndarray:
    """The standard values of one sequence's landmarks ``(11,)``.

    Raises:
      InputError: the dataset has no scale for the sequence.
    """
    scales = standard_scales(dataset)
    if sequence not in scales:
        raise InputError(
            f"{dataset.directory / DESCRIPTION}: provenance.standard.scales."
            f"{sequence} is missing, expected {len(PERCENTILES)} landmarks"
        )
    return scales[sequence]


def _matrix(place: str, found: Any) -> None:
    """An invertible 4 x 4 matrix."""
    list_of(list_of(NUMBER, 4), 4)(place, found)
    if not 1e-9 < abs(np.linalg.det(np.array(found, np.float64))) < 1e9:
        raise InputError(f"{place} is not an invertible matrix, expected one")


def _landmarks(place: str, found: Any) -> None:
    """Increasing intensities, one for each percentile."""
    list_of(NUMBER, len(PERCENTILES))(place, found)
    if (np.diff(np.array(found, np.float64)) <= 0).any():
        raise InputError(f"{place} is not increasing, expected increasing landmarks")


_SCAN = fields(
    {"shape": list_of(_EXTENT, 3), "affine": _matrix, "from_dataset": _matrix}
)
_SUBJECT = fields(
    {"scans": each(_SCAN), "sha256": each(TEXT), "landmarks": each(_landmarks)}
)
_STANDARD = fields({"scales": each(_landmarks)})
