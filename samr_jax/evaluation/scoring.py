"""Running a model over a split, and the scores of what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from samr_jax.data.dataset import Slices
from samr_jax.data.window import unpack
from samr_jax.evaluation.scores.calibration import (
    confidence_calibration,
    half_scale_error,
)
from samr_jax.evaluation.scores.memorisation import NearestTraining
from samr_jax.evaluation.scores.metrics import DiceCounts, SynthesisScores
from samr_jax.labels import BACKGROUND
from samr_jax.models.generator import Synthesis
from samr_jax.runs.batched import segment_all, synthesize_all
from samr_jax.runs.model import Model


def predictions(
    model: Model, slices: Slices, *, batch_size: int, rows: Sequence[int] | None = None
) -> Iterator[tuple[list[dict], Synthesis]]:
    """Synthesizes instances of a split, batch by batch.

    Args:
      model: a trained one.
      slices: the instances.
      batch_size: of the one compiled batch.
      rows: which instances, by default all.

    Yields:
      The instances of a batch and what was synthesized for them, as numpy arrays.
    """
    for instances, stored in _stored(model, slices, batch_size, rows):
        yield instances, synthesize_all(model, stored, batch_size=batch_size)


def segmentations(
    model: Model, slices: Slices, *, batch_size: int, rows: Sequence[int] | None = None
) -> Iterator[tuple[list[dict], np.ndarray]]:
    """As `predictions`: label maps ``(N, H, W)`` found in the instances' images."""
    for instances, stored in _stored(model, slices, batch_size, rows):
        probabilities = segment_all(model, stored, batch_size=batch_size)
        yield instances, probabilities.argmax(axis=-1).astype(np.uint8)


class Part(Protocol):
    """Scores of one kind, accumulated over a split."""

    def add(
        self,
        synthesis: Synthesis,
        real: np.ndarray,
        labels: np.ndarray,
        subjects: Sequence[str],
    ) -> None:
        """Adds slices: real images ``(N, H, W, S)`` in [-1, 1], labels and whose."""

    def summary(self) -> dict:
        """JSON-ready fields of an evaluation."""


def score(
    model: Model, slices: Slices, *, batch_size: int, parts: Sequence[Part] = ()
) -> dict:
    """Scores of section IV-C on a split; see `SynthesisScores.summary`.

    Args:
      model: a trained one.
      slices: the split.
      batch_size: of the one compiled batch.
      parts: what else to score.
    """
    pairs = predictions(model, slices, batch_size=batch_size)
    return accumulate(pairs, [Fidelity(model.dataset.sequences), *parts])


def accumulate(
    pairs: Iterable[tuple[list[dict], Synthesis]], parts: Sequence[Part]
) -> dict:
    """The fields of all parts over instances and what was synthesized for them."""
    for instances, synthesis in pairs:
        real = unpack(np.stack([item["images"] for item in instances]))
        labels = np.stack([item["labels"] for item in instances])
        subjects = [item["subject"] for item in instances]
        for part in parts:
            part.add(synthesis, real, labels, subjects)
    return {name: value for part in parts for name, value in part.summary().items()}


class Fidelity:
    """The paper's metrics: fields of `SynthesisScores.summary`."""

    def __init__(self, sequences: Sequence[str]):
        self._scores = SynthesisScores(sequences)

    def add(self, synthesis, real, labels, subjects) -> None:
        self._scores.add(synthesis.images, real, labels, subjects)

    def summary(self) -> dict:
        return self._scores.summary()


class Calibration:
    """``calibration``: confidence maps held against errors, inside the brain.

    Without such maps it has no field.
    """

    def __init__(self, sequences: Sequence[str], lambda_cm: float):
        self._sequences, self._lambda_cm = sequences, lambda_cm
        self._confidence, self._errors, self._brain = [], [], []

    def add(self, synthesis, real, labels, subjects) -> None:
        if synthesis.confidence is not None:
            self._confidence.append(synthesis.confidence)
            self._errors.append(half_scale_error(synthesis.intermediate, real))
            self._brain.append(labels[:, ::2, ::2] != BACKGROUND)

    def summary(self) -> dict:
        if not self._confidence:
            return {}
        calibration = confidence_calibration(
            np.concatenate(self._confidence),
            np.concatenate(self._errors),
            sequences=self._sequences,
            lambda_cm=self._lambda_cm,
            region=np.concatenate(self._brain),
        )
        return {"calibration": calibration}


class Memorisation:
    """``memorisation``: how close syntheses lie to training slices."""

    def __init__(self, training: Slices):
        self._nearest = NearestTraining(unpack(item["images"]) for item in training)

    def add(self, synthesis, real, labels, subjects) -> None:
        self._nearest.add(synthesis.images, real)

    def summary(self) -> dict:
        return {"memorisation": self._nearest.summary()}


class MaskFollow:
    """``mask_follow``: Dice of the input mask and what a segmenter finds.

    The segmenter was trained on real images; what it finds in the real images of the
    same masks is scored beside, as ``real``.
    """

    def __init__(self, segmenter: Model, *, batch_size: int):
        self._segmenter, self._batch_size = segmenter, batch_size
        self._dice = {"synthesized": DiceCounts(), "real": DiceCounts()}

    def add(self, synthesis, real, labels, subjects) -> None:
        for name, images in (("synthesized", synthesis.images), ("real", real)):
            probabilities = segment_all(
                self._segmenter, {"images": images}, batch_size=self._batch_size
            )
            found = probabilities.argmax(axis=-1).astype(np.uint8)
            self._dice[name].add(found, labels, subjects)

    def summary(self) -> dict:
        dice = {name: counts.summary() for name, counts in self._dice.items()}
        return {"mask_follow": {"segmenter": self._segmenter.method.name, **dice}}


def score_segmentation(model: Model, slices: Slices, *, batch_size: int) -> dict:
    """Dice, lesions deleted and invented of the method's own segmentation."""
    dice = DiceCounts()
    for instances, found in segmentations(model, slices, batch_size=batch_size):
        dice.add(
            found,
            np.stack([item["labels"] for item in instances]),
            [item["subject"] for item in instances],
        )
    return dice.summary()


def batched(
    slices: Slices, batch_size: int, rows: Sequence[int] | None = None
) -> Iterator[list[dict]]:
    """The instances of a split, or those of some rows, so many at a time."""
    rows = range(len(slices)) if rows is None else rows
    for start in range(0, len(rows), batch_size):
        yield [slices[row] for row in rows[start : start + batch_size]]


def _stored(
    model: Model, slices: Slices, batch_size: int, rows: Sequence[int] | None
) -> Iterator[tuple[list[dict], dict[str, np.ndarray]]]:
    """Batches of instances, and the arrays of them that the model's method reads."""
    for instances in batched(slices, batch_size, rows):
        yield (
            instances,
            {
                name: np.stack([instance[name] for instance in instances])
                for name in model.method.fields
            },
        )
