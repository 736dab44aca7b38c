"""The figures of an evaluation, and pictures of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.slices import Slices
from samr_jax.data.window import unpack
from samr_jax.evaluation.drawing.charts import calibration_chart
from samr_jax.evaluation.drawing.figures import (
    comparison_figure,
    dataset_sheet,
    sections_figure,
)
from samr_jax.evaluation.drawing.translation import (
    segmentation_figure,
    translation_figure,
)
from samr_jax.evaluation.scoring import predictions, segmentations, syntheses
from samr_jax.runs.model import Model

FIGURE_ROWS = 2
"""Slices in the figure like the paper's Fig. 6."""


def draw_figures(
    model: Model, slices: Slices, directory: Path, result: dict, *, batch_size: int
) -> None:
    """Draws the figures that `samr_jax.evaluation.evaluate.evaluate` lists, and the
    chart of the calibration."""
    method = model.method
    options: dict[str, Any] = {"batch_size": batch_size}
    if method.can_synthesize:
        draw_comparison(model, slices, directory / "comparison.png", **options)
        draw_sections(model, slices, directory / "sections.png", **options)
    if method.can_synthesize and method.can_segment:
        draw_translation(model, slices, directory / "translation.png", **options)
    elif method.can_segment:
        draw_segmentation(model, slices, directory / "segmentation.png", **options)
    if "calibration" in result:
        calibration_chart(
            result["calibration"],
            path=directory / "calibration.png",
            title=f"{method.name}: does confidence predict the error?",
            simulated=model.dataset.simulated,
        )


def draw_comparison(
    model: Model,
    slices: Slices,
    path: Path,
    *,
    batch_size: int,
    count: int = FIGURE_ROWS,
    zoom: bool = True,
) -> None:
    """Draws real and synthesized images, absolute errors and ``1 - c``.

    Args:
      model: a trained one that synthesizes.
      slices: a split; its slices with most lesion are shown.
      path: the PNG to write.
      batch_size: instances of the one compiled batch.
      count: how many slices to show.
      zoom: whether to show the lesion's surroundings again, magnified.
    """
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


def draw_sections(model: Model, slices: Slices, path: Path, *, batch_size: int) -> None:
    """Draws a subject in three directions, real images above synthesized ones.

    The subject is the one whose slice shows most lesion.

    Args:
      model, slices, path, batch_size: as of `draw_comparison`.
    """
    subject = slices[lesion_rows(slices, 1)[0]]["subject"]
    instances = [item for item in slices if item["subject"] == subject]
    sections_figure(
        np.stack([item["labels"] for item in instances]),
        {
            "real": unpack(np.stack([item["images"] for item in instances])),
            "synthesized": syntheses(model, instances, batch_size=batch_size),
        },
        spacing=slices.dataset.grid.spacing[::-1],
        sequences=model.dataset.sequences,
        path=path,
        simulated=model.dataset.simulated,
        title=f"{model.method.name}, step {model.step}: {subject}",
    )


def draw_translation(
    model: Model, slices: Slices, path: Path, *, batch_size: int
) -> None:
    """Draws masks translated to images and images to masks, like Fig. 8.

    Args:
      model, slices, path, batch_size: as of `draw_comparison`.
    """
    rows = lesion_rows(slices, FIGURE_ROWS)
    options: dict[str, Any] = {"batch_size": batch_size, "rows": rows}
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


def draw_segmentation(
    model: Model, slices: Slices, path: Path, *, batch_size: int
) -> None:
    """Draws real labels, the labels that were found, and the images.

    Args:
      model, slices, path, batch_size: as of `draw_comparison`.
    """
    rows = lesion_rows(slices, FIGURE_ROWS)
    (instances, labels), *_ = segmentations(
        model, slices, batch_size=batch_size, rows=rows
    )
    segmentation_figure(
        instances,
        labels,
        sequences=model.dataset.sequences,
        path=path,
        simulated=model.dataset.simulated,
        title=f"{model.method.name}, step {model.step}",
    )


def draw_dataset(dataset: Dataset, path: Path, *, count: int = 6) -> None:
    """Draws the slice with most lesion of a few training subjects."""
    slices = dataset.split("train")
    dataset_sheet(
        [slices[row] for row in lesion_rows(slices, count)],
        sequences=dataset.sequences,
        path=path,
        simulated=dataset.simulated,
    )


def lesion_rows(slices: Slices, count: int) -> list[int]:
    """The instances to show: the slices with most lesion, of different subjects.

    Each subject's largest slice comes first, the largest of all in front; the other
    slices follow in the same order.

    Args:
      slices: a split.
      count: how many indices to return, if there are as many.
    """
    subjects = [item["subject"] for item in slices]
    order = largest_first(item["labels"] for item in slices)
    firsts = [
        row
        for place, row in enumerate(order)
        if subjects[row] not in {subjects[other] for other in order[:place]}
    ]
    rest = [row for row in order if row not in firsts]
    return (firsts + rest)[:count]
