"""Evaluation of a model on a split: scores, the table and the pictures."""

from __future__ import annotations

from pathlib import Path

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
from samr_jax.evaluation.scoring import (
    Calibration,
    MaskFollow,
    Memorisation,
    Part,
    accumulate,
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
    """Evaluates a model and writes what comes of it.

    Into `workdir`: ``metrics.json`` and ``table.md``; of a method that synthesizes, in
    the form of the paper's Table I, with ``figures/comparison.png`` like its Fig. 6; of
    one that segments, in that of Table IV, with ``figures/segmentation.png``, or, if it
    does both, ``figures/translation.png`` like Fig. 8.

    Args:
      model: a trained one.
      dataset: may be another than it was trained on.
      split: of the dataset.
      workdir: where to write.
      batch_size: of the one compiled batch.
      segmenter: trained on real images; whether syntheses follow their masks is
        judged by it.

    Returns:
      What ``metrics.json`` holds.

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
    result = header(model.method.name, model.method.prior, dataset, split)
    result["step"] = model.step
    result["provenance"] = provenance(model)
    if model.method.can_synthesize:
        parts = further_parts(
            dataset, split, segmenter=segmenter, batch_size=batch_size
        )
        lambda_cm = model.method.error_scale(model.method_state)
        if lambda_cm is not None:
            parts.append(Calibration(dataset.sequences, lambda_cm))
        result |= score(model, slices, batch_size=batch_size, parts=parts)
        result["intervals"] = average_intervals(result, seed=0)
    if model.method.can_segment:
        summary = score_segmentation(model, slices, batch_size=batch_size)
        summary["intervals"] = dice_intervals(summary, seed=0)
        result["segmentation"] = summary
    write_json(workdir / "metrics.json", result)
    write_text(workdir / "table.md", table(result))
    draw_figures(model, slices, workdir / "figures", result, batch_size=batch_size)
    return result


def add_mask_follow(
    result: dict, model: Model, segmenter: Model, dataset: Dataset, *, batch_size: int
) -> dict:
    """An evaluation with ``mask_follow``, which a run by itself does not have."""
    slices = filled_split(dataset, result["split"])
    pairs = predictions(model, slices, batch_size=batch_size)
    return result | accumulate(pairs, [MaskFollow(segmenter, batch_size=batch_size)])


def further_parts(
    dataset: Dataset, split: str, *, segmenter: Model | None, batch_size: int
) -> list[Part]:
    """What is scored beyond the paper."""
    parts = []
    if split != "train" and len(dataset.split("train")):
        parts.append(Memorisation(dataset.split("train")))
    if segmenter is not None:
        parts.append(MaskFollow(segmenter, batch_size=batch_size))
    return parts


def filled_split(dataset: Dataset, split: str) -> Slices:
    """The slices of a split, of which there must be some."""
    slices = dataset.split(split)
    if len(slices) == 0:
        raise InputError(
            f"{dataset.directory}: split {split!r} holds no slices, expected at least 1"
        )
    return slices


def header(name: str, prior: str, dataset: Dataset, split: str) -> dict:
    """What a number cannot be read without."""
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
    """The pictures that suit what the method does."""
    method = model.method
    options = {"batch_size": batch_size}
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


def draw_segmentation(
    model: Model, slices: Slices, path: Path, *, batch_size: int
) -> None:
    """The labels found in the slices with most lesion, beside the real ones."""
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
    subjects = [item["subject"] for item in slices]
    order = largest_first(item["labels"] for item in slices)
    firsts = [
        row
        for place, row in enumerate(order)
        if subjects[row] not in {subjects[other] for other in order[:place]}
    ]
    rest = [row for row in order if row not in firsts]
    return (firsts + rest)[:count]
