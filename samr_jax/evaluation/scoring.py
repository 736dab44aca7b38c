"""Running a model over a split, and the scores of its syntheses and segmentations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.slices import Instances, Slices
from samr_jax.data.window import unpack
from samr_jax.evaluation.features import innermost_features
from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import Judge, Score, ScoredSlices
from samr_jax.models.generator import Synthesis
from samr_jax.runs.batched import segment_all, synthesize_all
from samr_jax.runs.model import Model


def predictions(
    model: Model,
    slices: Instances,
    *,
    batch_size: int,
    rows: Sequence[int] | None = None,
    seed: int = 0,
) -> Iterator[tuple[list[dict], Synthesis]]:
    """Synthesizes instances of a split, batch by batch.

    Args:
      model: a trained one.
      slices: the instances.
      batch_size: instances of the one compiled batch.
      rows: which instances, by default all.
      seed: of the noise, for a model that sees noise. The noise of an instance does not
        depend on the size of a batch.

    Yields:
      The instances of a batch and their syntheses, as numpy arrays.
    """
    first = 0
    for instances, stored in _stored(model, slices, batch_size, rows):
        yield (
            instances,
            synthesize_all(
                model, stored, batch_size=batch_size, seed=seed, first=first
            ),
        )
        first += len(instances)


def syntheses(
    model: Model, instances: Sequence[dict], seed: int = 0, *, batch_size: int
) -> np.ndarray:
    """Synthesized images ``(N, H, W, S)`` of instances, in [-1, 1].

    Args:
      model: a trained one.
      instances: with the fields that the model's method reads.
      seed: of the noise, for a model that sees noise.
      batch_size: instances of the one compiled batch.
    """
    parts = predictions(model, instances, batch_size=batch_size, seed=seed)
    return np.concatenate([synthesis.images for _, synthesis in parts])


def segmentations(
    model: Model,
    slices: Instances,
    *,
    batch_size: int,
    rows: Sequence[int] | None = None,
) -> Iterator[tuple[list[dict], np.ndarray]]:
    """Segments the images of a split's instances, batch by batch.

    Args:
      model, slices, batch_size, rows: as of `predictions`.

    Yields:
      The instances of a batch and the label maps ``(N, H, W)`` found in their images.
    """
    for instances, stored in _stored(model, slices, batch_size, rows):
        yield instances, _labels(segment_all(model, stored, batch_size=batch_size))


def judge_of(segmenter: Model, *, batch_size: int) -> Judge:
    """The judge of syntheses that a model trained on real images makes."""

    def find(images: np.ndarray) -> np.ndarray:
        stored = {"images": images}
        return _labels(segment_all(segmenter, stored, batch_size=batch_size))

    features = innermost_features(segmenter, batch_size=batch_size)
    return Judge(segmenter.method.name, find, features)


def score(
    model: Model,
    slices: Slices,
    *,
    batch_size: int,
    scores: Mapping[str, Score] | None = None,
) -> dict:
    """Scores a model's syntheses of a split.

    Args:
      model: a trained one.
      slices: the split.
      batch_size: instances of the one compiled batch.
      scores: scores of the whole split, by name; none by default.

    Returns:
      See `score_syntheses`.
    """
    pairs = predictions(model, slices, batch_size=batch_size)
    return score_syntheses(pairs, model.dataset.sequences, scores or {})


def score_syntheses(
    pairs: Iterable[tuple[list[dict], Synthesis]],
    sequences: tuple[str, ...],
    scores: Mapping[str, Score],
) -> dict:
    """Scores syntheses, whatever they were made by.

    Args:
      pairs: instances and their syntheses, batch by batch.
      sequences: names of the channels.
      scores: scores of the whole split, by name.

    Returns:
      JSON-ready: the fields of `SliceScores.summary`, and each score by its name.
    """
    of_slices = slice_scores(sequences)
    further = accumulate(pairs, {"of slices": of_slices, **scores})
    return further.pop("of slices") | further


def accumulate(
    pairs: Iterable[tuple[list[dict], Synthesis]], scores: Mapping[str, Score]
) -> dict:
    """Adds all syntheses to all scores.

    Args:
      pairs: instances and their syntheses, batch by batch.
      scores: by name.

    Returns:
      Name -> summary of every score that has one.
    """
    for instances, synthesis in pairs:
        slices = ScoredSlices(
            synthesized=synthesis.images,
            real=unpack(np.stack([item["images"] for item in instances])),
            labels=np.stack([item["labels"] for item in instances]),
            subjects=[item["subject"] for item in instances],
            heights=[int(item["slice"]) for item in instances],
            intermediate=synthesis.intermediate,
            confidence=synthesis.confidence,
        )
        for each in scores.values():
            each.add(slices)
    summaries = {name: each.summary() for name, each in scores.items()}
    return {name: found for name, found in summaries.items() if found is not None}


def score_segmentation(model: Model, slices: Slices, *, batch_size: int) -> dict:
    """Scores a method's own segmentation of a split's real images.

    Returns:
      See `DiceScores.summary`.
    """
    dataset: Dataset = model.dataset
    dice = DiceScores(dataset.grid.spacing[::-1])
    for instances, found in segmentations(model, slices, batch_size=batch_size):
        dice.add(
            found,
            np.stack([item["labels"] for item in instances]),
            [item["subject"] for item in instances],
            [int(item["slice"]) for item in instances],
        )
    return dice.summary()


def batched(
    slices: Instances, batch_size: int, rows: Sequence[int] | None = None
) -> Iterator[list[dict]]:
    """The instances of a split, or of some of its rows, in lists of at most a batch."""
    rows = range(len(slices)) if rows is None else rows
    for start in range(0, len(rows), batch_size):
        yield [slices[row] for row in rows[start : start + batch_size]]


def _stored(
    model: Model, slices: Instances, batch_size: int, rows: Sequence[int] | None
) -> Iterator[tuple[list[dict], dict[str, np.ndarray]]]:
    """Lists of instances, and the arrays of them that the model's method reads."""
    for instances in batched(slices, batch_size, rows):
        stored = {
            name: np.stack([instance[name] for instance in instances])
            for name in model.method.fields
        }
        yield instances, stored


def _labels(probabilities: np.ndarray) -> np.ndarray:
    """The likeliest label of each pixel."""
    return probabilities.argmax(axis=-1).astype(np.uint8)
