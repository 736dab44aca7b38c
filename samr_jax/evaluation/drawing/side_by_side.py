"""Figures of several methods on the same slices, like the paper's Fig. 6, 7 and 8."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.evaluation.drawing.figures import lesion_box
from samr_jax.evaluation.drawing.tiles import (
    ERROR_LIMIT,
    Tile,
    draw_grid,
    error_tile,
    image_tile,
    label_tile,
    uncertainty_tile,
)
from samr_jax.labels import LESION_LABELS

ERRORS = f"|error|, 0 to {ERROR_LIMIT:g}"


@dataclasses.dataclass(frozen=True)
class Shown:
    """The images of one method, or the real ones.

    Attributes:
      name: title of the rows.
      images: ``(N, H, W, S)`` in [-1, 1].
      labels: ``(N, H, W)``, shown left of the images, or None.
      confidence: ``(N, h, w, S)`` in (0, 1), or None.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    confidence: np.ndarray | None = None


def real_of(instances: Sequence[dict]) -> Shown:
    """The real images and labels of instances."""
    images = unpack(np.stack([item["images"] for item in instances]))
    return Shown("real", images, np.stack([item["labels"] for item in instances]))


def methods_figure(
    real: Shown,
    methods: Sequence[Shown],
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
    zoom: bool = False,
) -> None:
    """Draws real images, and the images and confidence maps of every method.

    Args:
      real: real images with labels.
      methods: syntheses of the same slices.
      sequences, path, simulated, title: see `draw_grid`.
      zoom: whether to show the surroundings of the lesion again, magnified (Fig. 6).
    """
    rows = []
    for i, labels in enumerate(real.labels):  # type: ignore[arg-type]
        box = None
        if zoom and np.isin(labels, LESION_LABELS).any():
            box = lesion_box(labels)
        for shown in (real, *methods):
            rows.append((shown.name, _row(shown, i, labels, sequences, box=box)))
            if box:
                zoomed = _row(shown, i, labels, sequences, crop=box)
                rows.append(("zoom", zoomed))
        for shown in methods:
            if shown.confidence is not None:
                name = f"{shown.name}\n1 - c, 0 to 1"
                maps = [
                    uncertainty_tile(c) for c in np.moveaxis(shown.confidence[i], -1, 0)
                ]
                rows.append((name, [None, *maps]))
    _draw(rows, sequences, path, title, simulated)


def errors_figure(
    real: Shown,
    methods: Sequence[Shown],
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
) -> None:
    """Draws absolute errors of every method (Supplementary Fig. 4 and 6).

    Args:
      real, methods, sequences, path, simulated, title: as of `methods_figure`.
    """
    rows = []
    for i, labels in enumerate(real.labels):  # type: ignore[arg-type]
        rows.append((real.name, _row(real, i, labels, sequences)))
        for shown in methods:
            error = np.abs(shown.images[i] - real.images[i])
            maps = [error_tile(channel) for channel in np.moveaxis(error, -1, 0)]
            rows.append((shown.name, [None, *maps]))
    _draw(rows, sequences, path, f"{title}: {ERRORS}", simulated)


def _row(
    shown: Shown,
    i: int,
    labels: np.ndarray,
    sequences: Sequence[str],
    *,
    box: tuple[slice, slice] | None = None,
    crop: tuple[slice, slice] | None = None,
) -> list[Tile | None]:
    """Labels and images of one slice, with a frame or cut out."""
    crop = (slice(None), slice(None)) if crop is None else crop
    tiles = [
        image_tile(shown.images[i][crop][..., c], name, labels[crop], box=box)
        for c, name in enumerate(sequences)
    ]
    beside = None if shown.labels is None else label_tile(shown.labels[i][crop])
    return [beside, *tiles]


def _draw(
    rows: list, sequences: Sequence[str], path: Path, title: str, simulated: bool
) -> None:
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )
