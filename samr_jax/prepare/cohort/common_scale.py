"""What all subjects have to share: their slices and their intensity scale."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Sequence

import numpy as np

from samr_jax.data.subject import Grid, Subject
from samr_jax.data.window import fit_window
from samr_jax.labels import BACKGROUND
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.standardise import (
    MIN_SPREAD,
    MIN_SUBJECTS,
    Standard,
    fit_standard,
    spread,
)
from samr_jax.prepare.grids import crop_slices
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.landmarks import healthy_values, landmarks
from samr_jax.sequences import MRSequence

MAX_VALUES = 50_000
"""Number of intensities of each training scan that the scale is fitted to. They are
taken at even distances, so that memory does not grow with the size of scans."""


@dataclasses.dataclass(frozen=True)
class CommonScale:
    """The last steps of the preparation, which are the same for every subject.

    Attributes:
      sequences: the order of the channels.
      grid: the dataset's grid, cropped to the common slices.
      start: index of the first common slice on the grid of the options.
      standard: the intensity scale, or None if each scan keeps its own.
    """

    sequences: tuple[str, ...]
    grid: Grid
    start: int
    standard: Standard | None

    def subject(self, item: Stored) -> Subject:
        """A subject as it enters the dataset."""
        subject = self.cropped(item)
        images = self.rescaled(subject.images, self.marks(subject))
        return dataclasses.replace(subject, images=images)

    def cropped(self, item: Stored) -> Subject:
        """A prepared subject's common slices, in its own intensities."""
        subject = item.load()
        kept = slice(self.start, self.start + self.grid.slices)
        return dataclasses.replace(
            subject,
            images=subject.images[kept],
            labels=subject.labels[kept],
            tissue=None if subject.tissue is None else subject.tissue[kept],
        )

    def marks(self, subject: Subject) -> dict[str, np.ndarray]:
        """Landmarks by sequence, from the healthy brain; empty without a scale."""
        if self.standard is None:
            return {}
        return {
            name: landmarks(
                healthy_values(subject, channel), source=f"{subject.name}, {name}"
            )
            for channel, name in enumerate(self.sequences)
            if name in self.standard.scales
        }

    def rescaled(self, images: np.ndarray, marks: dict[str, np.ndarray]) -> np.ndarray:
        """Images ``(..., S)`` on the standard scale."""
        if self.standard is None:
            return images
        channels = [
            self.standard.apply(name, images[..., i], marks.get(name, np.empty(0)))
            for i, name in enumerate(self.sequences)
        ]
        return np.stack(channels, axis=-1)


def fit_common_scale(
    train: Sequence[Stored],
    options: Options,
    span: tuple[int, int],
    log: Callable[[str], None],
) -> CommonScale:
    """Fits the common scale on the training subjects alone.

    Args:
      train: the training subjects.
      options: the options that all subjects share.
      span: the first common slice, and the slice after the last.
      log: receives lines for the user.
    """
    bare = CommonScale(
        options.sequences, crop_slices(options.grid, *span), span[0], None
    )
    if not _wanted(train, options, bare, log):
        return bare
    values: dict[str, list[np.ndarray]] = {name: [] for name in options.sequences}
    for subject in map(bare.cropped, train):
        for channel, name in enumerate(options.sequences):
            found = healthy_values(subject, channel)
            values[name].append(found[:: max(1, found.size // MAX_VALUES)])
    standard = fit_standard(options.sequences, values)
    log(f"standard scale: fitted on {len(train)} training subjects")
    return dataclasses.replace(bare, standard=standard)


def own_scale(subject: Subject, channel: int, name: str) -> float:
    """The upper end of a scan's own intensity window, in the scan's unit."""
    brain = subject.labels != BACKGROUND
    return fit_window(name, subject.images[..., channel], brain).high


def _wanted(
    train: Sequence[Stored],
    options: Options,
    bare: CommonScale,
    log: Callable[[str], None],
) -> bool:
    """Whether to standardise: the user's choice, or with ``auto`` whether the subjects'
    scales differ and there are enough subjects to fit a scale."""
    step = options.steps.standardise
    if step != "auto":
        return step == "on"
    if len(train) < MIN_SUBJECTS:
        log(
            f"standard scale: none, {len(train)} training subjects are too few; each "
            "scan has a window of its own"
        )
        return False
    if importlib.util.find_spec("intensity_normalization") is None:
        log(
            "standard scale: none, intensity-normalization is not installed "
            "(pip install 'samr-jax[prepare]'); each scan has a window of its own"
        )
        return False
    medians: dict[str, list[float]] = {
        name: [] for name in options.sequences if MRSequence.named(name).anatomic
    }
    for subject in map(bare.cropped, train):
        for channel, name in enumerate(options.sequences):
            if name in medians:
                medians[name].append(np.median(healthy_values(subject, channel)))
    return max(map(spread, medians.values()), default=0.0) > MIN_SPREAD
