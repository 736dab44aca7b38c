"""What needs all subjects: the common slices and the standard intensity scale."""

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
    healthy_values,
    landmarks,
    spread,
)
from samr_jax.prepare.grids import crop_slices
from samr_jax.prepare.steps import Plan
from samr_jax.sequences import MRSequence

MAX_VALUES = 50_000
"""Of a training scan, at even distances, to fit the scale: memory must not grow with
the size of scans, and percentiles of so many are exact enough."""


@dataclasses.dataclass(frozen=True)
class Finish:
    """The last steps, the same for every subject.

    Attributes:
      sequences: the order of the channels.
      grid: the dataset's, with the common slices only.
      start: the first of them, counted on the plan's grid.
      standard: the intensity scale, or None to keep each scan's own.
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
            self.standard.apply(name, images[..., i], marks.get(name, ()))
            for i, name in enumerate(self.sequences)
        ]
        return np.stack(channels, axis=-1)


def fit_finish(
    train: Sequence[Stored],
    plan: Plan,
    span: tuple[int, int],
    log: Callable[[str], None],
) -> Finish:
    """Fits the last steps on the training subjects alone.

    Args:
      train: the training subjects.
      plan: common to all subjects.
      span: first common slice, and the one after the last.
      log: receives lines for the user.
    """
    bare = Finish(plan.sequences, crop_slices(plan.grid, *span), span[0], None)
    if not _wanted(train, plan, bare, log):
        return bare
    values: dict[str, list[np.ndarray]] = {name: [] for name in plan.sequences}
    for subject in map(bare.cropped, train):
        for channel, name in enumerate(plan.sequences):
            found = healthy_values(subject, channel)
            values[name].append(found[:: max(1, found.size // MAX_VALUES)])
    standard = fit_standard(plan.sequences, values)
    log(f"standard scale: fitted on {len(train)} training subjects")
    return dataclasses.replace(bare, standard=standard)


def own_scale(subject: Subject, channel: int, name: str) -> float:
    """The upper end of a scan's own window, in its own unit."""
    brain = subject.labels != BACKGROUND
    return fit_window(name, subject.images[..., channel], brain).high


def _wanted(
    train: Sequence[Stored], plan: Plan, bare: Finish, log: Callable[[str], None]
) -> bool:
    """Whether to standardise: as told, or where scales differ and can be learned."""
    step = plan.steps.standardise
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
    medians = {s: [] for s in plan.sequences if MRSequence.named(s).anatomic}
    for subject in map(bare.cropped, train):
        for channel, name in enumerate(plan.sequences):
            if name in medians:
                medians[name].append(np.median(healthy_values(subject, channel)))
    return max(map(spread, medians.values()), default=0.0) > MIN_SPREAD
