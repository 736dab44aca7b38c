"""What a score is: which slices it sees, what it may know besides, what it reports."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.window import unpack


@dataclasses.dataclass(frozen=True)
class ScoredSlices:
    """Synthesized slices and the real slices of the same masks.

    Attributes:
      synthesized: ``(N, H, W, S)`` in [-1, 1].
      real: ``(N, H, W, S)`` in [-1, 1].
      labels: ``(N, H, W)`` the masks that were synthesized from.
      subjects: ``(N,)`` names of the patients.
      heights: ``(N,)`` indices of the slices on the dataset's grid.
      intermediate: ŷ ``(N, H / 2, W / 2, S)`` in [-1, 1], or None.
      confidence: c ``(N, H / 2, W / 2, S)`` in (0, 1), or None.
    """

    synthesized: np.ndarray
    real: np.ndarray
    labels: np.ndarray
    subjects: Sequence[str]
    heights: Sequence[int]
    intermediate: np.ndarray | None = None
    confidence: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Judge:
    """A segmenter that was trained on real images, by which syntheses are judged.

    Attributes:
      name: its method.
      find: images ``(N, H, W, S)`` in [-1, 1] to label maps ``(N, H, W)``.
      features: the same images to features ``(N, D)`` of the innermost layer, averaged
        over the slice; None for a segmenter without such a layer.
    """

    name: str
    find: Callable[[np.ndarray], np.ndarray]
    features: Callable[[np.ndarray], np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class RealSlices:
    """Real slices without syntheses.

    Attributes:
      images: ``(N, H, W, S)`` in [-1, 1].
      labels: ``(N, H, W)``.
      subjects: ``(N,)`` names of the patients, whose slices come one after the other.
      heights: ``(N,)`` indices of the slices on the dataset's grid.
    """

    images: np.ndarray
    labels: np.ndarray
    subjects: Sequence[str]
    heights: Sequence[int]


TRAINING_SUBJECTS = 8
"""Training patients whose slices real held-out slices are compared with."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a score may know besides the slices.

    Attributes:
      dataset: whose slices are scored.
      split: which of its splits.
      lambda_cm: the weight λ_cm that the method's training ended with, or None.
      judge: see `Judge`; None if there is no such segmenter.
    """

    dataset: Dataset
    split: str
    lambda_cm: float | None = None
    judge: Judge | None = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between slices, rows and columns."""
        return self.dataset.grid.spacing[::-1]

    @functools.cached_property
    def training(self) -> RealSlices | None:
        """Slices of a few training patients; None if these are scored themselves.

        What a score gives for real held-out slices, compared with these, is its floor:
        no synthesis can be expected to come closer to reality.
        """
        items = self.dataset.split("train")
        names = self.dataset.splits["train"]
        if self.split == "train" or not names:
            return None
        step = max(1, len(names) // TRAINING_SUBJECTS)
        chosen = set(sorted(names)[::step][:TRAINING_SUBJECTS])
        kept = [item for item in items if item["subject"] in chosen]
        return RealSlices(
            images=unpack(np.stack([item["images"] for item in kept])),
            labels=np.stack([item["labels"] for item in kept]),
            subjects=[item["subject"] for item in kept],
            heights=[int(item["slice"]) for item in kept],
        )


class Score(Protocol):
    """A score that is accumulated over the slices of a split."""

    def add(self, slices: ScoredSlices) -> None:
        """Adds slices; all slices of a patient come one after the other."""

    def summary(self) -> dict | None:
        """The score, JSON-ready; None if nothing could be scored."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      heading: its title.
      pattern: format of a number, such as ``{:.3f}``.
      value: a score's summary to the number of a method, or None.
      real: a score's summary to the number that real images reach, or None.
    """

    heading: str
    pattern: str
    value: Callable[[Mapping], float | None]
    real: Callable[[Mapping], float | None] = lambda summary: None


@dataclasses.dataclass(frozen=True)
class TableScore:
    """A score as the tables print it.

    Attributes:
      name: its field in ``metrics.json``.
      columns: what the tables show.
      note: one sentence below the table that explains the columns.
    """

    name: str
    columns: tuple[Column, ...]
    note: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreKind(TableScore):
    """A score of a split's images, as the registry lists it.

    Attributes:
      make: the score for a setting; None if the setting lacks what it needs.
      judged: whether the score needs a judge.
    """

    make: Callable[[Setting], Score | None]
    judged: bool = False
