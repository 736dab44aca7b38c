"""Evaluation of a model on a split: scores, tables and figures."""

from __future__ import annotations

import functools
from pathlib import Path

from samr_jax.data.dataset import Dataset
from samr_jax.data.slices import Slices
from samr_jax.evaluation.evaluation_figures import draw_figures
from samr_jax.evaluation.reports.paper_tables import segmentation_table, table1
from samr_jax.evaluation.reports.summaries import beyond_table
from samr_jax.evaluation.scores.edits import edit_scores
from samr_jax.evaluation.scores.intervals import average_intervals, dice_intervals
from samr_jax.evaluation.scores.registry import judged_scores, split_scores
from samr_jax.evaluation.scores.sample_spread import sample_spread
from samr_jax.evaluation.scores.score import Setting
from samr_jax.evaluation.scoring import (
    accumulate,
    judge_of,
    predictions,
    score,
    score_segmentation,
    syntheses,
)
from samr_jax.runs.model import Model
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json, write_text


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
    gets a table in the form of the paper's Table I, ``figures/comparison.png`` like
    Fig. 6, and ``figures/sections.png``, a subject in three directions. A method that
    segments gets a table in the form of Table IV, and ``figures/segmentation.png``. A
    method that does both gets ``figures/translation.png``, like Fig. 8, in place of the
    latter.

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
        synthesize = functools.partial(syntheses, model, batch_size=batch_size)
        if (edits := edit_scores(slices, synthesize)) is not None:
            result["edits"] = edits
        if model.method.noise and (spread := sample_spread(slices, synthesize)):
            result["sample_spread"] = spread
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
