"""Evaluation of a model on a split: scores, the table and the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import Dataset, Slices
from samr_jax.data.window import unpack
from samr_jax.errors import InputError
from samr_jax.evaluation.figures import comparison_figure, dataset_sheet
from samr_jax.evaluation.metrics import SynthesisScores
from samr_jax.evaluation.report import table1
from samr_jax.files import write_json, write_text
from samr_jax.inference import Model, padded_batches
from samr_jax.labels import LESION_LABELS
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
    rows = range(len(slices)) if rows is None else rows
    for start in range(0, len(rows), batch_size):
        instances = [slices[row] for row in rows[start : start + batch_size]]
        stored = {
            name: np.stack([instance[name] for instance in instances])
            for name in model.method.fields
        }
        batch, count = next(padded_batches(stored, batch_size))
        synthesis = model.synthesize(batch)
        yield instances, _first(synthesis, count)


def score(model: Model, slices: Slices, *, batch_size: int) -> dict:
    """Scores of section IV-C on a split; see `SynthesisScores.summary`."""
    scores = SynthesisScores(model.dataset.sequences)
    for instances, synthesis in predictions(model, slices, batch_size=batch_size):
        scores.add(
            synthesis.images,
            unpack(np.stack([item["images"] for item in instances])),
            np.stack([item["labels"] for item in instances]),
            [item["subject"] for item in instances],
        )
    return scores.summary()


def evaluate(
    model: Model, dataset: Dataset, split: str, workdir: Path, *, batch_size: int
) -> dict:
    """Evaluates a model and writes what comes of it.

    Into `workdir`: ``metrics.json``, ``table.md`` in the form of the paper's Table I
    and ``figures/comparison.png`` in the form of its Fig. 6.

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
        **score(model, slices, batch_size=batch_size),
    }
    write_json(workdir / "metrics.json", result)
    write_text(workdir / "table.md", table(result))
    draw_comparison(
        model, slices, workdir / "figures" / "comparison.png", batch_size=batch_size
    )
    return result


def table(result: dict) -> str:
    """The Markdown table of one evaluation."""
    return table1(
        {result["method"]: result},
        title=f"{result['method']} on the {result['split']} split",
        simulated=result["simulated"],
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


def _first(synthesis: Synthesis, count: int) -> Synthesis:
    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[:count]

    return Synthesis(
        cut(synthesis.images), cut(synthesis.intermediate), cut(synthesis.confidence)
    )
