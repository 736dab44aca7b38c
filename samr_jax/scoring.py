"""Running a model over a split, and the scores of what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from samr_jax.data.dataset import Slices
from samr_jax.data.window import unpack
from samr_jax.evaluation.calibration import (
    confidence_calibration,
    half_scale_error,
)
from samr_jax.evaluation.metrics import DiceCounts, SynthesisScores
from samr_jax.inference import Model, padded_batches
from samr_jax.labels import BACKGROUND
from samr_jax.models.generator import Synthesis


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
    for instances, batch in _batches(model, slices, batch_size, rows):
        yield instances, _first(model.synthesize(batch), len(instances))


def segmentations(
    model: Model, slices: Slices, *, batch_size: int, rows: Sequence[int] | None = None
) -> Iterator[tuple[list[dict], np.ndarray]]:
    """As `predictions`: label maps ``(N, H, W)`` found in the instances' images."""
    for instances, batch in _batches(model, slices, batch_size, rows):
        probabilities = model.segment(batch)[: len(instances)]
        yield instances, probabilities.argmax(axis=-1).astype(np.uint8)


def score(
    model: Model, slices: Slices, *, batch_size: int, calibrate: bool = False
) -> dict:
    """Scores of section IV-C on a split; see `SynthesisScores.summary`.

    Args:
      model: a trained one.
      slices: the split.
      batch_size: of the one compiled batch.
      calibrate: whether to hold the confidence maps against the errors, too, inside
        the brain; adds ``calibration``, where the method has such maps.
    """
    scores = SynthesisScores(model.dataset.sequences)
    confidence, errors, brain = [], [], []
    for instances, synthesis in predictions(model, slices, batch_size=batch_size):
        real = unpack(np.stack([item["images"] for item in instances]))
        labels = np.stack([item["labels"] for item in instances])
        subjects = [item["subject"] for item in instances]
        scores.add(synthesis.images, real, labels, subjects)
        if calibrate and synthesis.confidence is not None:
            confidence.append(synthesis.confidence)
            errors.append(half_scale_error(synthesis.intermediate, real))
            brain.append(labels[:, ::2, ::2] != BACKGROUND)
    summary = scores.summary()
    if confidence:
        summary["calibration"] = confidence_calibration(
            np.concatenate(confidence),
            np.concatenate(errors),
            sequences=model.dataset.sequences,
            lambda_cm=float(model.carry["lambda_cm"]),
            region=np.concatenate(brain),
        )
    return summary


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


def _batches(
    model: Model, slices: Slices, batch_size: int, rows: Sequence[int] | None
) -> Iterator[tuple[list[dict], dict[str, np.ndarray]]]:
    """Instances, and a batch of one fixed size that begins with them."""
    rows = range(len(slices)) if rows is None else rows
    for start in range(0, len(rows), batch_size):
        instances = [slices[row] for row in rows[start : start + batch_size]]
        stored = {
            name: np.stack([instance[name] for instance in instances])
            for name in model.method.fields
        }
        batch, _ = next(padded_batches(stored, batch_size))
        yield instances, batch


def _first(synthesis: Synthesis, count: int) -> Synthesis:
    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[:count]

    return Synthesis(
        cut(synthesis.images), cut(synthesis.intermediate), cut(synthesis.confidence)
    )
