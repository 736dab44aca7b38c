"""Figures of one lesion in several brains, and of several lesions in one brain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from samr_jax.data.lesion_slices import largest_first
from samr_jax.data.slices import Slices
from samr_jax.evaluation.drawing.side_by_side import Shown, real_of
from samr_jax.evaluation.scores.trivial import PAINTED, label_means, painted_atlas
from samr_jax.evaluation.scoring import predictions
from samr_jax.labels import BACKGROUND, LESION_LABELS, NORMAL
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError

OTHERS = 4
"""Brains, or lesions, that are shown."""

MIN_INSIDE = 0.9
"""Share of a lesion that has to lie in the brain that it is put into."""


def real_painted_and_synthesized(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    """Real slices of different subjects, the painted atlas, and a model's syntheses.

    The slices are those of each subject with most lesion, of the first `count` subjects
    by name: chosen by number and not by their looks.
    """
    model = _only(models, "example")
    rows: dict[str, int] = {}
    for row in largest_first(item["labels"] for item in slices):
        rows.setdefault(str(slices[row]["subject"]), int(row))
    chosen = [slices[rows[name]] for name in sorted(rows)[:count]]
    means = label_means(slices.dataset.split("train"))
    painted = Shown(PAINTED, painted_atlas(chosen, means))
    return real_of(chosen), [painted, _synthesized(model, chosen, batch_size)]


def lesion_in_brains(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    """The lesion of a slice, and the same lesion in the brains of other subjects."""
    model = _only(models, "brains")
    own, others = _at_one_height(
        slices, lambda own, other: _inside(own["labels"], other["labels"])
    )
    edited = [
        {**other, "labels": _put(own["labels"], other["labels"])} for other in others
    ]
    return real_of([own]), _one_by_one(model, edited, "brain of {}", batch_size)


def lesions_in_brain(
    models: dict[str, Model], slices: Slices, count: int, batch_size: int
) -> tuple[Shown, list[Shown]]:
    """A slice, and the lesions of other subjects in the same brain."""
    model = _only(models, "lesions")
    own, others = _at_one_height(
        slices, lambda own, other: _inside(other["labels"], own["labels"])
    )
    edited = [
        {**own, "subject": o["subject"], "labels": _put(o["labels"], own["labels"])}
        for o in others
    ]
    return real_of([own]), _one_by_one(model, edited, "lesion of {}", batch_size)


def _only(models: dict[str, Model], figure: str) -> Model:
    if len(models) != 1:
        raise InputError(f"figure {figure} of {len(models)} runs, expected one")
    (model,) = models.values()
    if figure != "example" and "tissue" not in model.method.fields:
        raise InputError(
            f"figure {figure}: {model.method.name} is told no individual's anatomy, "
            "expected a run of configs/anatomy.py"
        )
    return model


def _at_one_height(
    slices: Slices, fits: Callable[[dict, dict], bool]
) -> tuple[dict, list[dict]]:
    """The slice with most lesion, and slices of other subjects at the same height.

    Raises:
      InputError: fewer than `OTHERS` subjects fit.
    """
    own = slices[int(largest_first(item["labels"] for item in slices)[0])]
    others = [
        item
        for item in slices
        if item["slice"] == own["slice"]
        and item["subject"] != own["subject"]
        and np.isin(item["labels"], LESION_LABELS).any()
        and fits(own, item)
    ]
    if len(others) < OTHERS:
        raise InputError(
            f"{slices.dataset.directory}: {len(others)} subjects whose brain holds the "
            f"lesion, expected at least {OTHERS}"
        )
    return own, others[:OTHERS]


def _inside(lesion: np.ndarray, brain: np.ndarray) -> bool:
    """Whether the lesion of one label map lies in the brain of another."""
    inside = brain[np.isin(lesion, LESION_LABELS)] != BACKGROUND
    return bool(inside.size and inside.mean() >= MIN_INSIDE)


def _put(lesion: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The lesion of one label map, alone in the brain of another."""
    healthy = np.where(brain != BACKGROUND, NORMAL, BACKGROUND).astype(lesion.dtype)
    place = np.isin(lesion, LESION_LABELS) & (healthy == NORMAL)
    return np.where(place, lesion, healthy)


def _synthesized(model: Model, instances: Sequence[dict], batch_size: int) -> Shown:
    parts = [out for _, out in predictions(model, instances, batch_size=batch_size)]
    return Shown(model.method.name, np.concatenate([out.images for out in parts]))


def _one_by_one(
    model: Model, instances: Sequence[dict], title: str, batch_size: int
) -> list[Shown]:
    """One row for each instance, named by its subject."""
    images = _synthesized(model, instances, batch_size).images
    return [
        Shown(title.format(item["subject"]), image[None], item["labels"][None])
        for item, image in zip(instances, images, strict=True)
    ]
