"""Grids of pictures on black, with names above and at the left.

Quantitative maps (`samr_jax.sequences`) are shown in colour with a colour bar, anatomic
images in gray. Everything is drawn at native resolution or above, without
interpolation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from samr_jax.labels import BACKGROUND, LABELS
from samr_jax.runtime.files import replacing
from samr_jax.sequences import MRSequence

LABEL_COLOURS = ListedColormap(["black", "0.45", "limegreen", "royalblue", "gold"])
"""As in the paper: gray normal brain, green edema, blue cavity, yellow tumor."""

ERROR_LIMIT = 0.5
"""Brightest absolute error, in network intensity: the paper's 16 of 255 is 0.125."""

_INCHES = 1.6
"""Height of a tile; all other lengths within the grid are in tile heights."""
_GAP = 0.03
_LOWEST = 0.45  # of a row: its name needs this much
_LEFT, _RIGHT, _TOP, _BOTTOM, _BAR = 0.45, 0.05, 0.6, 0.05, 0.5
"""Margins in inches; the last one is added right of the grid for each colour bar."""


@dataclasses.dataclass(frozen=True)
class Tile:
    """One cell of a grid.

    Attributes:
      image: ``(H, W)``; masked values are black.
      limits: values shown darkest and brightest.
      colours: matplotlib colour map.
      box: rows and columns to frame in red, or None.
      sides: letters that mark the left and the right edge, such as R and L for the
        patient's right and left; None for no marks.
      tall: height of a pixel as it is shown, as a multiple of its width.
    """

    image: np.ndarray
    limits: tuple[float, float] = (-1.0, 1.0)
    colours: str | Colormap = "gray"
    box: tuple[slice, slice] | None = None
    sides: tuple[str, str] | None = None
    tall: float = 1.0

    @property
    def ratio(self) -> float:
        """Width over height, as it is shown."""
        return self.image.shape[1] / (self.image.shape[0] * self.tall)


def image_tile(
    image: np.ndarray,
    sequence: str,
    labels: np.ndarray,
    *,
    box: tuple[slice, slice] | None = None,
) -> Tile:
    """An image of a sequence, in [-1, 1].

    A quantitative map is black outside the brain, where its 0 would have a colour, too:
    0 % of APTw is as bright a green as inside.
    """
    record = MRSequence.named(sequence)
    if not record.anatomic:
        image = np.ma.masked_where(labels == BACKGROUND, image)
    return Tile(image, colours=record.colours, box=box)


def label_tile(labels: np.ndarray) -> Tile:
    """A label map."""
    return Tile(labels, (0, len(LABELS) - 1), LABEL_COLOURS)


def error_tile(error: np.ndarray) -> Tile:
    """An absolute error in network intensity."""
    return Tile(error, (0, ERROR_LIMIT), "magma")


def uncertainty_tile(confidence: np.ndarray) -> Tile:
    """``1 - c``, as the paper shows confidence maps.

    Black where the confidence is 0, which is outside the field of view of the images.
    """
    return Tile(np.ma.masked_where(confidence == 0, 1 - confidence), (0, 1), "magma")


def draw_grid(
    rows: Sequence[tuple[str, Sequence[Tile | None]]],
    *,
    columns: Sequence[str],
    path: Path | str,
    title: str,
    simulated: bool,
    sequences: Sequence[str] = (),
) -> None:
    """Draws rows of tiles with their names; missing tiles stay black.

    All cells have the width of the first tile. A row is as high as its highest tile,
    but neither higher than the first tile nor too low for its name.

    Args:
      rows: name and tiles of each row.
      columns: names of the columns.
      path: the PNG to write.
      title: heading.
      simulated: whether to say that the data are simulated.
      sequences: names of the sequences in the grid; each quantitative map among them
        gets a colour bar.
    """
    first = next(t for _, row in rows for t in row if t is not None)
    height, wide = first.image.shape[0], first.ratio
    heights = [
        np.clip(max(wide / t.ratio for t in row if t is not None), _LOWEST, 1.0)
        for _, row in rows
    ]
    tops = np.cumsum([0, *np.add(heights, _GAP)])
    grid = (len(columns) * (wide + _GAP) - _GAP, tops[-1] - _GAP)
    records = map(MRSequence.named, sequences)
    maps = [record for record in records if not record.anatomic]
    figure, axes = _canvas(grid, dpi=max(100, height / _INCHES), maps=maps)
    for column, name in enumerate(columns):
        middle = column * (wide + _GAP) + wide / 2
        axes.text(middle, -0.04, name, ha="center", va="bottom", color="w", fontsize=8)
    for row, (name, tiles) in enumerate(rows):
        style: dict[str, Any] = {
            "rotation": 90,
            "ha": "right",
            "va": "center",
            "fontsize": 8,
        }
        middle = tops[row] + heights[row] / 2
        axes.text(-0.03, middle, name, color="w", multialignment="center", **style)
        for column, tile in enumerate(tiles):
            if tile is not None:
                cell = (column * (wide + _GAP), tops[row], wide, heights[row])
                _draw(axes, tile, cell)
    axes.set(xlim=(0, grid[0]), ylim=(grid[1], 0))
    heading = f"{title} (simulated data)" if simulated else title
    top = 1 - 0.08 / figure.get_figheight()
    figure.suptitle(heading, color="w", fontsize=9, y=top, va="top")
    with replacing(path) as partial:
        # Higher compression levels take longer than drawing and save a few percent.
        figure.savefig(partial, pil_kwargs={"compress_level": 3})


def _canvas(
    grid: tuple[float, float], *, dpi: float, maps: Sequence[MRSequence]
) -> tuple[Figure, Axes]:
    """A figure around axes of `grid` (width and height) whose unit is a tile."""
    inner = np.multiply(grid, _INCHES)
    margins = (_LEFT + _RIGHT + _BAR * len(maps), _TOP + _BOTTOM)
    width, height = inner + margins
    # One axes for all tiles: making axes (their ticks) costs more than drawing images.
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="black")
    FigureCanvasAgg(figure)
    place = (_LEFT / width, _BOTTOM / height, inner[0] / width, inner[1] / height)
    axes = figure.add_axes(place)
    axes.set_axis_off()
    length = min(0.9 * inner[1], 2 * _INCHES)
    for position, record in enumerate(maps, start=1):
        left = 1 - (0.42 + _BAR * (len(maps) - position)) / width
        bottom = 1 - (_TOP + length) / height
        _draw_bar(figure, record, (left, bottom, 0.1 / width, length / height))
    return figure, axes


def _draw(axes: Axes, tile: Tile, cell: tuple[float, float, float, float]) -> None:
    """Draws a tile in the middle of its cell, as large as fits.

    Args:
      axes: the grid.
      tile: the tile.
      cell: left, top, width and height.
    """
    left, top, wide, high = cell
    width = min(wide, high * tile.ratio)
    height = width / tile.ratio
    left, top = left + (wide - width) / 2, top + (high - height) / 2
    low, high = tile.limits
    axes.imshow(
        tile.image,
        cmap=tile.colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
        extent=(left, left + width, top + height, top),
        aspect="auto",
    )
    if tile.sides:
        style: dict[str, Any] = {"color": "w", "va": "center", "fontsize": 7}
        start, end = tile.sides
        axes.text(left + 0.02, top + height / 2, start, ha="left", **style)
        axes.text(left + width - 0.02, top + height / 2, end, ha="right", **style)
    if tile.box:
        rows, columns = tile.box
        pixel = np.divide((width, height), tile.image.shape[::-1])
        start, stop = (columns.start, rows.start), (columns.stop, rows.stop)
        corner, size = (left, top) + start * pixel, np.subtract(stop, start) * pixel
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="red"))


def _draw_bar(
    figure: Figure, record: MRSequence, place: tuple[float, float, float, float]
) -> None:
    """The colours of a quantitative map and the values that they stand for."""
    low, high = record.window or (None, None)
    colours = ScalarMappable(Normalize(low, high), record.colours)
    bar = figure.colorbar(colours, cax=figure.add_axes(place))
    bar.set_label(record.label, color="w", fontsize=7, labelpad=-2)
    bar.ax.tick_params(colors="w", labelsize=6, length=2, pad=1)
