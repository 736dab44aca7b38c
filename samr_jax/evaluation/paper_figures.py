"""The paper's Fig. 6, 7 and 8, its supplement's error maps, and three figures more.

The further figures show what goes beyond the paper: see
`samr_jax.evaluation.lesions_and_brains`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import Dataset
from samr_jax.data.edits import apply
from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.slices import Slices
from samr_jax.evaluation.drawing.side_by_side import (
    Shown,
    errors_figure,
    methods_figure,
    real_of,
)
from samr_jax.evaluation.evaluate import filled_split
from samr_jax.evaluation.evaluation_figures import lesion_rows
from samr_jax.evaluation.lesions_and_brains import (
    lesion_in_brains,
    lesions_in_brain,
    real_painted_and_synthesized,
)
from samr_jax.evaluation.scoring import predictions, segmentations
from samr_jax.labels import TUMOR
from samr_jax.runs.model import Model, load_model
from samr_jax.runtime.errors import InputError

MANIPULATIONS = {
    "tumor + 100 %": "scale:tumor=2.0",
    "tumor 50 %": "scale:tumor=0.5",
    "lesion of another": "replace:donor=other",
}
"""Rows of Fig. 7 below the original mask, and their edits."""

MAX_TRIES = 10
"""Slices that are tried, largest tumor first, until all manipulations succeed."""


def load_models(workdirs: Sequence[Path | str], dataset: Dataset) -> dict[str, Model]:
    """Loads runs, and gives each a name that tells it apart.

    Args:
      workdirs: of the runs.
      dataset: the dataset that all were trained on.

    Raises:
      InputError: a directory holds no run, or one of another dataset.
    """
    models = {}
    for workdir in map(Path, workdirs):
        model = load_model(workdir)
        if model.dataset.content_hash != dataset.content_hash:
            raise InputError(
                f"{workdir}: trained on dataset {model.dataset.content_hash[:12]}, "
                f"expected {dataset.content_hash[:12]} as all runs of a figure"
            )
        name = model.method.name
        place = "/".join(workdir.parts[-2:])
        models[f"{name} ({place})" if name in models else name] = model
    return models


def draw_figure(
    figure: str,
    models: dict[str, Model],
    dataset: Dataset,
    path: Path,
    *,
    split: str = "test",
    count: int = 1,
    batch_size: int = 8,
) -> None:
    """Draws a figure of the paper.

    Args:
      figure: ``6`` (paired methods), ``7`` (manipulated masks), ``8`` (both directions
        of unpaired methods), ``errors``, ``example`` (real, painted atlas and
        synthesized), ``brains`` (one lesion in several brains) or ``lesions`` (several
        lesions in one brain).
      models: by name, in the order of the rows; Fig. 7 and the last three take one
        model.
      dataset: the dataset.
      path: the PNG to write.
      split: the split whose slices with most lesion are shown.
      count: how many slices.
      batch_size: slices of the one compiled batch.

    Raises:
      InputError: there is no such figure, or a method cannot do what it shows.
    """
    if figure not in FIGURES:
        raise InputError(f"figure {figure!r}, expected one of {', '.join(FIGURES)}")
    for name, model in models.items():
        able = model.method.can_synthesize
        if not able or (figure == "8" and not model.method.can_segment):
            raise InputError(f"{name}: cannot do what figure {figure} shows")
    draw, title = FIGURES[figure]
    slices = filled_split(dataset, split)
    real, shown = draw(models, slices, count, batch_size)
    plot = errors_figure if figure == "errors" else methods_figure
    options = {"zoom": True} if figure == "6" else {}
    plot(
        real,
        shown,
        sequences=dataset.sequences,
        path=path,
        simulated=dataset.simulated,
        title=title,
        **options,
    )


def _syntheses(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    rows = lesion_rows(slices, count)
    options: dict[str, Any] = {"batch_size": batch_size, "rows": rows}
    shown = []
    for name, model in models.items():
        parts = [out for _, out in predictions(model, slices, **options)]
        images = np.concatenate([out.images for out in parts])
        confidence = None
        if parts[0].confidence is not None:
            confidence = np.concatenate([out.confidence for out in parts])
        shown.append(Shown(name, images, None, confidence))
    return real_of([slices[row] for row in rows]), shown


def _translations(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    """Syntheses, and the labels that each method finds in the real images."""
    real, shown = _syntheses(models, slices, count, batch_size)
    rows = lesion_rows(slices, count)
    options: dict[str, Any] = {"batch_size": batch_size, "rows": rows}
    both = []
    for one, model in zip(shown, models.values(), strict=True):
        found = [labels for _, labels in segmentations(model, slices, **options)]
        both.append(Shown(one.name, one.images, np.concatenate(found), one.confidence))
    return real, both


def _manipulations(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    if len(models) != 1:
        raise InputError(f"figure 7 of {len(models)} runs, expected one")
    (model,) = models.values()
    instances, masks = _edited(slices, count)
    shown = []
    for name, labels in masks.items():
        edited = [
            {**item, "labels": mask}
            for item, mask in zip(instances, labels, strict=True)
        ]
        parts = [out for _, out in predictions(model, edited, batch_size=batch_size)]
        shown.append(Shown(name, np.concatenate([p.images for p in parts]), labels))
    return real_of(instances), shown


def _edited(slices: Slices, count: int) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Instances with large tumors, and their masks by the name of the manipulation."""
    order = largest_first((item["labels"] for item in slices), codes=(TUMOR,))
    chosen, masks, refusal = [], [], "there is no slice"
    for row in order[:MAX_TRIES]:
        item = slices[row]
        others = (
            slices[r]["labels"]
            for r in order
            if slices[r]["subject"] != item["subject"]
        )
        try:
            masks.append(
                _manipulated(item["labels"], next(others, item["labels"]), slices)
            )
        except InputError as error:
            refusal = str(error)
            continue
        chosen.append(item)
        if len(chosen) == count:
            break
    if not chosen:
        raise InputError(f"no slice of the split can be manipulated: {refusal}")
    names = masks[0]
    return chosen, {name: np.stack([m[name] for m in masks]) for name in names}


def _manipulated(
    labels: np.ndarray, other: np.ndarray, slices: Slices
) -> dict[str, np.ndarray]:
    dx, dy, _ = slices.dataset.grid.spacing
    edits = {
        name: apply(recipe, labels, spacing=(dy, dx), donors={"other": other})
        for name, recipe in MANIPULATIONS.items()
    }
    return {"synthesized": labels, **edits}


FIGURES: dict[str, tuple[Callable, str]] = {
    "6": (_syntheses, "Syntheses of the same mask"),
    "7": (_manipulations, "Syntheses of manipulated masks"),
    "8": (_translations, "Masks to images and images to masks"),
    "errors": (_syntheses, "Errors of the same mask's syntheses"),
    "example": (real_painted_and_synthesized, "Held-out subjects"),
    "brains": (lesion_in_brains, "One lesion in several brains"),
    "lesions": (lesions_in_brain, "Several lesions in one brain"),
}
