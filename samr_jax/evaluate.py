"""Evaluation of a model on a split: scores, the table and the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset, Slices
from samr_jax.data.window import unpack
from samr_jax.errors import InputError
from samr_jax.evaluation.calibration import (
    confidence_calibration,
    half_scale_error,
)
from samr_jax.evaluation.charts import calibration_chart
from samr_jax.evaluation.figures import comparison_figure, dataset_sheet
from samr_jax.evaluation.intervals import average_intervals
from samr_jax.evaluation.metrics import DiceCounts, SynthesisScores
from samr_jax.evaluation.report import segmentation_table, table1
from samr_jax.evaluation.translation import translation_figure
from samr_jax.files import write_json, write_text
from samr_jax.inference import Model, padded_batches
from samr_jax.labels import BACKGROUND, LESION_LABELS
from samr_jax.models.generator import Synthesis

FIGURE_ROWS = 2
"""Slices in the figure like the paper's Fig. 6."""


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


def evaluate(
    model: Model, dataset: Dataset, split: str, workdir: Path, *, batch_size: int
) -> dict:
    """Evaluates a model and writes what comes of it.

    Into `workdir`: ``metrics.json``, ``table.md`` in the form of the paper's Table I
    and, of a method that segments, Table IV, ``figures/comparison.png`` in the form of
    its Fig. 6 and, after unpaired training, ``figures/translation.png`` in that of
    Fig. 8.

    Returns:
      What ``metrics.json`` holds.

    Raises:
      InputError: the split is empty, or the dataset is not what the model was made for.
    """
    if dataset.sequences != model.dataset.sequences:
        raise InputError(
            f"{dataset.directory}: sequences {dataset.sequences}, expected "
            f"{model.dataset.sequences} as in training"
        )
    slices = dataset.split(split)
    if len(slices) == 0:
        raise InputError(
            f"{dataset.directory}: split {split!r} holds no slices, expected at least 1"
        )
    result = {
        "method": model.method.name,
        "anatomy_prior": model.method.prior,
        "split": split,
        "step": model.step,
        "simulated": dataset.simulated,
        "dataset_hash": dataset.content_hash,
        **score(model, slices, batch_size=batch_size, calibrate=True),
    }
    result["intervals"] = average_intervals(result, seed=0)
    if model.method.can_segment:
        result["segmentation"] = score_segmentation(
            model, slices, batch_size=batch_size
        )
    write_json(workdir / "metrics.json", result)
    write_text(workdir / "table.md", table(result))
    figures = workdir / "figures"
    draw_comparison(model, slices, figures / "comparison.png", batch_size=batch_size)
    if "calibration" in result:
        calibration_chart(
            result["calibration"],
            path=figures / "calibration.png",
            title=f"{model.method.name}: does confidence predict the error?",
            simulated=dataset.simulated,
        )
    if model.method.unpaired_fields:
        draw_translation(
            model, slices, figures / "translation.png", batch_size=batch_size
        )
    return result


def table(result: dict) -> str:
    """The Markdown tables of one evaluation."""
    place = f"{result['method']} on the {result['split']} split"
    simulated = result["simulated"]
    tables = [table1({result["method"]: result}, title=place, simulated=simulated)]
    if "segmentation" in result:
        tables.append(
            segmentation_table(
                {result["method"]: result["segmentation"]},
                title=f"Segmentation by {place}",
                simulated=simulated,
            )
        )
    return "\n".join(tables)


def draw_comparison(
    model: Model,
    slices: Slices,
    path: Path,
    *,
    batch_size: int,
    count: int = FIGURE_ROWS,
    zoom: bool = True,
) -> None:
    """Real, synthesized, absolute error and 1 - c of the slices with most lesion."""
    rows = lesion_rows(slices, count)
    (instances, synthesis), *_ = predictions(
        model, slices, batch_size=batch_size, rows=rows
    )
    comparison_figure(
        instances,
        synthesis.images,
        synthesis.confidence,
        sequences=model.dataset.sequences,
        path=path,
        simulated=model.dataset.simulated,
        title=f"{model.method.name}, step {model.step}",
        zoom=zoom,
    )


def draw_translation(
    model: Model, slices: Slices, path: Path, *, batch_size: int
) -> None:
    """Masks to images and images to masks, of the slices with most lesion."""
    rows = lesion_rows(slices, FIGURE_ROWS)
    options = {"batch_size": batch_size, "rows": rows}
    (instances, synthesis), *_ = predictions(model, slices, **options)
    (_, labels), *_ = segmentations(model, slices, **options)
    translation_figure(
        instances,
        synthesis.images,
        synthesis.confidence,
        labels,
        sequences=model.dataset.sequences,
        path=path,
        simulated=model.dataset.simulated,
        title=f"{model.method.name}, step {model.step}",
    )


def draw_dataset(dataset: Dataset, path: Path, *, count: int = 6) -> None:
    """A slice of each of a few training subjects."""
    slices = dataset.split("train")
    dataset_sheet(
        [slices[row] for row in lesion_rows(slices, count)],
        sequences=dataset.sequences,
        path=path,
        simulated=dataset.simulated,
    )


def lesion_rows(slices: Slices, count: int) -> list[int]:
    """Instances worth looking at: each subject's slice with most lesion, largest first.

    Ties and further slices follow in order, so that `count` is reached where it can be.
    """
    sizes = [np.isin(item["labels"], LESION_LABELS).sum() for item in slices]
    subjects = [item["subject"] for item in slices]
    order = sorted(range(len(sizes)), key=lambda row: -sizes[row])
    firsts = [
        row
        for place, row in enumerate(order)
        if subjects[row] not in {subjects[other] for other in order[:place]}
    ]
    rest = [row for row in order if row not in firsts]
    return (firsts + rest)[:count]


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
