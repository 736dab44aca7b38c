"""Evaluation of a model on a split: scores, the table and the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samr_jax.data.dataset import Dataset, Slices
from samr_jax.data.lesion_slices import largest_first
from samr_jax.evaluation.drawing.charts import calibration_chart
from samr_jax.evaluation.drawing.figures import comparison_figure, dataset_sheet
from samr_jax.evaluation.drawing.translation import (
    segmentation_figure,
    translation_figure,
)
from samr_jax.evaluation.reports.paper_tables import segmentation_table, table1
from samr_jax.evaluation.reports.summaries import beyond_table
from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
from samr_jax.evaluation.scores.registry import judged_scores, split_scores
from samr_jax.evaluation.scores.score import Setting
from samr_jax.evaluation.scoring import (
    accumulate,
    judge_of,
    predictions,
    score,
    score_segmentation,
    segmentations,
)
from samr_jax.runs.model import Model
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json, write_text

FIGURE_ROWS = 2
"""Slices in the figure like the paper's Fig. 6."""


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    workdir: Path,
    *,
    batch_size: int,
    segmenter: Model | None = None,
) -> dict:
    """Evaluates a model on a split and writes scores, tables and figures.

    Every evaluation writes ``metrics.json`` and ``table.md``. A method that synthesizes
    gets a table in the form of the paper's Table I, and ``figures/comparison.png`` like
    Fig. 6. A method that segments gets a table in the form of Table IV, and
    ``figures/segmentation.png``. A method that does both gets
    ``figures/translation.png``, like Fig. 8, in place of the latter.

    Args:
      model: a trained one.
      dataset: the dataset, which may differ from the one of the training.
      split: which of its splits.
      workdir: directory to write into.
      batch_size: instances of the one compiled batch.
      segmenter: trained on real images; judges whether syntheses follow their masks.

    Returns:
      The content of ``metrics.json``.

    Raises:
      InputError: the split is empty, or the dataset is not what the model was made for.
    """
    for used in (model, segmenter):
        if used is not None and used.dataset.sequences != dataset.sequences:
            raise InputError(
                f"{dataset.directory}: sequences {dataset.sequences}, expected "
                f"{used.dataset.sequences} as in training of {used.method.name}"
            )
    slices = filled_split(dataset, split)
    result = description(model.method.name, model.method.prior, dataset, split)
    result["step"] = model.step
    result["provenance"] = provenance(model)
    if model.method.can_synthesize:
        judge = None
        if segmenter is not None:
            judge = judge_of(segmenter, batch_size=batch_size)
        lambda_cm = model.method.error_scale(model.method_state)
        scores = split_scores(Setting(dataset, split, lambda_cm, judge))
        result |= score(model, slices, batch_size=batch_size, scores=scores)
        result["intervals"] = average_intervals(result)
    if model.method.can_segment:
        summary = score_segmentation(model, slices, batch_size=batch_size)
        summary["intervals"] = dice_intervals(summary)
        result["segmentation"] = summary
    write_json(workdir / "metrics.json", result)
    write_text(workdir / "table.md", table(result))
    draw_figures(model, slices, workdir / "figures", result, batch_size=batch_size)
    return result


def add_judged_scores(
    result: dict, model: Model, segmenter: Model, dataset: Dataset, *, batch_size: int
) -> dict:
    """Adds the scores that need a segmenter to an evaluation that was made without.

    Args:
      result: the evaluation.
      model: the evaluated one.
      segmenter: trained on real images.
      dataset: the dataset of the evaluation.
      batch_size: instances of the one compiled batch.
    """
    split = result["split"]
    slices = filled_split(dataset, split)
    pairs = predictions(model, slices, batch_size=batch_size)
    judge = judge_of(segmenter, batch_size=batch_size)
    scores = judged_scores(Setting(dataset, split, judge=judge))
    return result | accumulate(pairs, scores)


def filled_split(dataset: Dataset, split: str) -> Slices:
    """The slices of a split.

    Raises:
      InputError: it has none.
    """
    slices = dataset.split(split)
    if len(slices) == 0:
        raise InputError(
            f"{dataset.directory}: split {split!r} holds no slices, expected at least 1"
        )
    return slices


def description(name: str, prior: str, dataset: Dataset, split: str) -> dict:
    """The fields that say what the numbers of an evaluation are about.

    Args:
      name: of the method.
      prior: what the method is told about a subject's anatomy.
      dataset: the dataset of the evaluation.
      split: which of its splits.
    """
    return {
        "method": name,
        "anatomy_prior": prior,
        "split": split,
        "simulated": dataset.simulated,
        "dataset_hash": dataset.content_hash,
    }


def table(result: dict) -> str:
    """The Markdown tables of one evaluation."""
    name, simulated = result["method"], result["simulated"]
    place = f"{name} on the {result['split']} split"
    tables = []
    if "average" in result:
        tables.append(table1({name: result}, title=place, simulated=simulated))
        tables.append(beyond_table({name: result}, title=f"Beyond the paper: {place}"))
    if "segmentation" in result:
        tables.append(
            segmentation_table(
                {name: result["segmentation"]},
                title=f"Segmentation by {place}",
                simulated=simulated,
            )
        )
    return "\n".join(tables)


def draw_figures(
    model: Model, slices: Slices, directory: Path, result: dict, *, batch_size: int
) -> None:
    """Draws the figures that `evaluate` lists, and the calibration's chart."""
    method = model.method
    options: dict[str, Any] = {"batch_size": batch_size}
    if method.can_synthesize:
        draw_comparison(model, slices, directory / "comparison.png", **options)
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
