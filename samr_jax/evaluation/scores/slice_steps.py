"""Do neighbouring slices fit together? The change from one slice to the next."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from samr_jax.evaluation.scores.by_sequence import by_sequence
from samr_jax.evaluation.scores.score import Column, ScoredSlices, ScoreKind, Setting
from samr_jax.labels import BACKGROUND, LESION_LABELS

REGIONS = ("brain", "lesion")


class SliceSteps:
    """Accumulates differences between slices at neighbouring heights.

    A method that paints every slice by itself may change more from slice to slice than
    a real volume does. Brain and lesion are taken where both slices have them.
    """

    def __init__(self, setting: Setting):
        self._sequences = setting.dataset.sequences
        self._fake, self._real = _Squares(), _Squares()
        self._training = None
        if (training := setting.training) is not None:
            self._training = _Squares()
            for item in zip(
                training.subjects,
                training.heights,
                training.images,
                training.labels,
                strict=True,
            ):
                self._training.add(*item)

    def add(self, slices: ScoredSlices) -> None:
        whose = (slices.subjects, slices.heights)
        pairs = ((self._fake, slices.synthesized), (self._real, slices.real))
        for squares, images in pairs:
            for item in zip(*whose, images, slices.labels, strict=True):
                squares.add(*item)

    def summary(self) -> dict | None:
        """Region -> see `by_sequence`: the root mean square of ``I(z + 1) - I(z)``,
        synthesized over real; real held-out over training. A region without
        neighbouring slices is left out; None if both are."""
        out = {}
        for region in REGIONS:
            fake, real = (s.rms(region) for s in (self._fake, self._real))
            if real is None:
                continue
            other = self._training and self._training.rms(region)
            with np.errstate(divide="ignore", invalid="ignore"):
                floor = None if other is None else real / other
                out[region] = by_sequence(self._sequences, fake / real, floor)
        return out or None


class _Squares:
    """Sums of squared differences, by region."""

    def __init__(self):
        self._total: dict[str, np.ndarray] = {}
        self._pixels = dict.fromkeys(REGIONS, 0)
        self._last: tuple | None = None

    def add(
        self, subject: str, height: int, image: np.ndarray, labels: np.ndarray
    ) -> None:
        """Adds a slice; the slices of a patient come in the order of their heights."""
        if self._last is not None and self._last[:2] == (subject, height - 1):
            *_, image_below, labels_below = self._last
            squares = np.square(image.astype(np.float64) - image_below)
            both = np.stack([labels, labels_below])
            inside = {
                "brain": (both != BACKGROUND).all(axis=0),
                "lesion": np.isin(both, LESION_LABELS).all(axis=0),
            }
            for region, where in inside.items():
                total = self._total.get(region, 0.0)
                self._total[region] = total + squares[where].sum(axis=0)
                self._pixels[region] += int(np.count_nonzero(where))
        self._last = (subject, height, image, labels)

    def rms(self, region: str) -> np.ndarray | None:
        """By sequence ``(S,)``; None without such pixels."""
        if not self._pixels[region]:
            return None
        return np.sqrt(self._total[region] / self._pixels[region])


def _brain(summary: Mapping, field: str) -> float | None:
    return summary.get("brain", {}).get(field)


SLICE_STEPS = ScoreKind(
    name="slice_steps",
    make=SliceSteps,
    columns=(
        Column(
            heading="Slice-to-slice ratio",
            pattern="{:.2f}",
            value=functools.partial(_brain, field="value"),
            real=functools.partial(_brain, field="floor"),
        ),
    ),
    note="Slice-to-slice ratio: root mean square change of intensity from one slice to "
    "the next inside the brain, synthesized over real, mean over sequences.",
)
