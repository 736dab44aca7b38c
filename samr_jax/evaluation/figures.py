"""Pictures: label maps, images, errors and confidence, in grids like the paper's.

Images are in network intensity [-1, 1]. APTw is shown in colour with its fixed window
and a colour bar, the other sequences in gray. Pictures of simulated data say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from samr_jax.data.window import unpack
from samr_jax.files import replacing
from samr_jax.labels import LABELS, LESION_LABELS, SIGNED_PERCENT_WINDOW, is_percent

LABEL_COLOURS = ListedColormap(["black", "0.45", "limegreen", "royalblue", "gold"])
"""As in the paper: gray normal brain, green edema, blue cavity, yellow tumor."""

APTW_COLOURS = "turbo"
ERROR_LIMIT = 0.5
"""Brightest absolute error, in network intensity: the paper's 16 of 255 is 0.125."""

_INCHES = 1.6


@dataclasses.dataclass(frozen=True)
class Tile:
    """One cell of a grid.

    Attributes:
      image: ``(H, W)``.
      limits: values shown darkest and brightest.
      colours: matplotlib colour map.
    """

    image: np.ndarray
    limits: tuple[float, float] = (-1.0, 1.0)
    colours: object = "gray"


def image_tile(image: np.ndarray, sequence: str) -> Tile:
    """An image of a sequence."""
    return Tile(image, colours=APTW_COLOURS if is_percent(sequence) else "gray")


def label_tile(labels: np.ndarray) -> Tile:
    """A label map."""
    return Tile(labels, (0, len(LABELS) - 1), LABEL_COLOURS)


def error_tile(error: np.ndarray) -> Tile:
    """An absolute error in network intensity."""
    return Tile(error, (0, ERROR_LIMIT), "magma")


def uncertainty_tile(confidence: np.ndarray) -> Tile:
    """``1 - c``, as the paper shows confidence maps."""
    return Tile(1 - confidence, (0, 1), "magma")


def draw_grid(
    rows: Sequence[tuple[str, Sequence[Tile | None]]],
    *,
    columns: Sequence[str],
    path: Path,
    title: str,
    simulated: bool,
    aptw_bar: bool = False,
) -> None:
    """Draws rows of tiles with their names; missing tiles stay black.

    Args:
      rows: name and tiles of each.
      columns: names of the columns.
      path: the PNG to write.
      title: heading.
      simulated: whether to say that the data is.
      aptw_bar: whether to show what APTw's colours mean.
    """
    height, width = next(t.image.shape for _, row in rows for t in row if t is not None)
    size = _INCHES * np.array([len(columns) * width / height, len(rows)])
    margin = 0.75
    total = np.add(size, (0.5 + 0.5 * aptw_bar, margin))
    figure = Figure(figsize=total, facecolor="black", dpi=max(100, height / _INCHES))
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    figure.subplots_adjust(
        left=0.45 / total[0],
        right=1 - (0.05 + 0.5 * aptw_bar) / total[0],
        bottom=0.02 / total[1],
        top=1 - (margin - 0.05) / total[1],
        wspace=0.03,
        hspace=0.03,
    )
    for row, (name, tiles) in enumerate(rows):
        axes[row, 0].set_ylabel(name, color="white", fontsize=8)
        for column, tile in enumerate(tiles):
            _draw(axes[row, column], tile)
            if row == 0:
                axes[row, column].set_title(columns[column], color="white", fontsize=8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], facecolor="black")
        axis.spines[:].set_visible(False)
    figure.suptitle(
        f"{title} (simulated data)" if simulated else title,
        color="white",
        fontsize=9,
        y=1 - 0.08 / total[1],
        va="top",
    )
    if aptw_bar:
        _draw_aptw_bar(figure, total)
    with replacing(path) as partial:
        figure.savefig(partial, facecolor="black")


def dataset_sheet(
    instances: Sequence[Mapping],
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str = "Dataset",
) -> None:
    """A row an instance: its images and label map."""
    rows = []
    for item in instances:
        images = unpack(item["images"])
        tiles = [image_tile(images[..., i], name) for i, name in enumerate(sequences)]
        rows.append((item["subject"], [*tiles, label_tile(item["labels"])]))
    draw_grid(
        rows,
        columns=[*sequences, "labels"],
        path=path,
        title=title,
        simulated=simulated,
        aptw_bar=any(map(is_percent, sequences)),
    )


def synthesis_sheet(
    labels: np.ndarray,
    images: np.ndarray,
    confidence: np.ndarray | None,
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
) -> None:
    """What was synthesized, without a reference: labels, images and ``1 - c``.

    Args:
      labels: ``(N, H, W)``.
      images: ``(N, H, W, S)`` in [-1, 1].
      confidence: ``(N, h, w, S)`` in (0, 1), or None.
    """
    rows = []
    for i, label in enumerate(labels):
        tiles = [image_tile(images[i, ..., c], s) for c, s in enumerate(sequences)]
        rows.append(("synthesized", [label_tile(label), *tiles]))
        if confidence is not None:
            maps = [uncertainty_tile(confidence[i, ..., c]) for c in range(len(tiles))]
            rows.append(("1 - c", [None, *maps]))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        aptw_bar=any(map(is_percent, sequences)),
    )


def comparison_figure(
    instances: Sequence[Mapping],
    images: np.ndarray,
    confidence: np.ndarray | None,
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
    zoom: bool = True,
    error: bool = True,
) -> None:
    """Real, synthesized, absolute error and ``1 - c``, like the paper's Fig. 6.

    Args:
      instances: with ``labels`` and ``images`` as stored.
      images: synthesized ``(N, H, W, S)`` in [-1, 1].
      confidence: ``(N, h, w, S)`` in (0, 1), or None for a method without.
      zoom: whether to add the lesion's surroundings, magnified.
      error: whether to show the absolute error.
    """
    rows = []
    for i, item in enumerate(instances):
        real, labels = unpack(item["images"]), item["labels"]
        views = [("", slice(None), slice(None))]
        if zoom and np.isin(labels, LESION_LABELS).any():
            views.append(("zoom, ", *lesion_box(labels)))
        for prefix, *box in views:
            box = tuple(box)
            rows.append((f"{prefix}real", _row(labels[box], real[box], sequences)))
            rows.append((f"{prefix}synthesized", _row(None, images[i][box], sequences)))
        if error:
            difference = np.abs(images[i] - real)
            maps = [error_tile(difference[..., c]) for c in range(len(sequences))]
            rows.append(("|error|", [None, *maps]))
        if confidence is not None:
            maps = [
                uncertainty_tile(confidence[i, ..., c]) for c in range(len(sequences))
            ]
            rows.append(("1 - c", [None, *maps]))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        aptw_bar=any(map(is_percent, sequences)),
    )


def lesion_box(labels: np.ndarray, *, share: float = 0.4) -> tuple[slice, slice]:
    """A square around the lesion's middle, `share` of the slice's side at least."""
    places = np.argwhere(np.isin(labels, LESION_LABELS))
    low, high = places.min(axis=0), places.max(axis=0) + 1
    side = int(max(*(high - low), share * min(labels.shape)))
    side = min(side, *labels.shape)
    starts = np.clip((low + high - side) // 2, 0, np.array(labels.shape) - side)
    return tuple(slice(int(start), int(start) + side) for start in starts)


def _row(
    labels: np.ndarray | None, images: np.ndarray, sequences: Sequence[str]
) -> list[Tile | None]:
    tiles = [image_tile(images[..., c], name) for c, name in enumerate(sequences)]
    return [None if labels is None else label_tile(labels), *tiles]


def _draw(axis, tile: Tile | None) -> None:
    if tile is None:
        return
    low, high = tile.limits
    axis.imshow(
        tile.image, cmap=tile.colours, vmin=low, vmax=high, interpolation="nearest"
    )


def _draw_aptw_bar(figure: Figure, total: np.ndarray) -> None:
    axis = figure.add_axes([1 - 0.42 / total[0], 0.1, 0.1 / total[0], 0.75])
    colours = ScalarMappable(Normalize(*SIGNED_PERCENT_WINDOW), APTW_COLOURS)
    bar = figure.colorbar(colours, cax=axis)
    bar.set_label("APTw (%)", color="white", fontsize=7, labelpad=-2)
    bar.ax.tick_params(colors="white", labelsize=6, length=2, pad=1)
