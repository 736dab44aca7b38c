"""Subjects made in parallel and kept on disk until the dataset can be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from samr_jax.data.lesion_ranges import LesionRanges, ranges_of_subject
from samr_jax.data.subject import Grid, Subject
from samr_jax.data.window import Window, fit_window
from samr_jax.labels import BACKGROUND, LABELS, TISSUES
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.progress import progress

SubjectTask = Callable[[], Subject]
"""A picklable call that makes one subject."""


@dataclasses.dataclass(frozen=True)
class Staged:
    """A subject waiting on disk.

    Attributes:
      name: name of the subject.
      patient: name of the patient.
      path: file of its arrays.
      windows: fitted windows of the sequences in arbitrary units.
      has_tissue: whether it has a tissue prior.
      lesions: ranges of its lesion's properties.
    """

    name: str
    patient: str
    path: Path
    windows: dict[str, Window]
    has_tissue: bool
    lesions: LesionRanges

    def arrays(self) -> dict[str, np.ndarray]:
        """``images`` float32, ``labels`` uint8, ``tissue`` uint8 where there is one."""
        with np.load(self.path, allow_pickle=False) as arrays:
            return dict(arrays)


def stage_subjects(
    tasks: Sequence[SubjectTask],
    directory: Path,
    *,
    grid: Grid,
    sequences: Sequence[str],
    fixed: Mapping[str, Window],
    workers: int,
) -> dict[str, Staged]:
    """Runs all tasks in parallel processes, with a progress bar.

    Args:
      tasks: one per subject.
      directory: folder for the arrays.
      grid, sequences: grid and sequences that every subject must have.
      fixed: given windows by sequence; the windows of all others are fitted.
      workers: number of processes, -1 for one per core.

    Returns:
      Subjects by name, sorted.
    """
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    calls = (
        joblib.delayed(_stage)(
            task, directory / f"{index}.npz", grid, tuple(sequences), tuple(fixed)
        )
        for index, task in enumerate(tasks)
    )
    staged: dict[str, Staged] = {}
    with progress(len(tasks), "subjects") as shown:
        for item in parallel(calls):
            if item.name in staged:
                raise InputError(f"subject {item.name!r} occurs twice, expected once")
            staged[item.name] = item
            shown.update()
    return dict(sorted(staged.items()))


def _stage(
    task: SubjectTask,
    path: Path,
    grid: Grid,
    sequences: tuple[str, ...],
    fixed: tuple[str, ...],
) -> Staged:
    subject = task()
    _check(subject, grid, len(sequences))
    brain = subject.labels != BACKGROUND
    try:
        windows = {
            name: fit_window(name, subject.images[..., i], brain)
            for i, name in enumerate(sequences)
            if name not in fixed
        }
    except InputError as error:
        raise InputError(f"subject {subject.name}: {error}") from error
    arrays: dict[str, Any] = {
        "images": subject.images.astype(np.float32),
        "labels": subject.labels.astype(np.uint8),
    }
    if subject.tissue is not None:
        tissue = np.clip(subject.tissue, 0, 1)
        arrays["tissue"] = np.round(tissue * 255).astype(np.uint8)
    np.savez(path, **arrays)
    return Staged(
        subject.name,
        subject.patient or subject.name,
        path,
        windows,
        has_tissue=subject.tissue is not None,
        lesions=ranges_of_subject(subject.labels, grid),
    )


def _check(subject: Subject, grid: Grid, channels: int) -> None:
    shape = (grid.slices, *grid.size)
    expected = {"images": (*shape, channels), "labels": shape}
    if subject.tissue is not None:
        expected["tissue"] = (*shape, len(TISSUES))
    for field, wanted in expected.items():
        found = getattr(subject, field).shape
        if found != wanted:
            raise InputError(
                f"subject {subject.name}: {field} of shape {found}, expected {wanted}"
            )
    if not np.isfinite(subject.images).all():
        raise InputError(
            f"subject {subject.name}: images hold NaN or infinity, expected numbers"
        )
    if subject.labels.max(initial=0) >= len(LABELS):
        raise InputError(
            f"subject {subject.name}: label value {subject.labels.max()}, expected 0 "
            f"to {len(LABELS) - 1}"
        )
