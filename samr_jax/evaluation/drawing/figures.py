"""Pictures of data and of syntheses, in grids like the paper's Fig. 6 and 7.

Images are in network intensity [-1, 1]. Pictures of simulated data say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.evaluation.drawing.sections import Section, sections
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

ERROR = f"|error|\n0 to {ERROR_LIMIT:g}"
UNCERTAINTY = "1 - c\n0 to 1"
"""Names of rows, with the values that are shown darkest and brightest."""


def dataset_sheet(
    instances: Sequence[Mapping],
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str = "Dataset",
) -> None:
    """Draws instances of a dataset: a row with images and label map for each.

    Args:
      instances: with ``subject``, ``labels`` and ``images`` as stored.
      sequences: names of the channels.
      path: the PNG to write.
      simulated: whether to say that the data are simulated.
      title: heading.
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for item in instances:
        mask, *tiles = _row(item["labels"], unpack(item["images"]), sequences)
        rows.append((item["subject"], [*tiles, mask]))
    draw_grid(
        rows,
        columns=[*sequences, "labels"],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )


def synthesis_sheet(
    labels: np.ndarray,
    images: np.ndarray,
    confidence: np.ndarray | None,
    *,
    heights: Sequence[float],
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
    further: Sequence[tuple[Section, np.ndarray, np.ndarray]] = (),
) -> None:
    """Draws syntheses that have no reference: labels, images and ``1 - c``.

    Args:
      labels: axial slices ``(N, H, W)``, whose columns go to the patient's left.
      images: ``(N, H, W, S)`` in [-1, 1].
      confidence: ``(N, h, w, S)`` in (0, 1), or None; 0 outside the field of view.
      heights: z of each slice in millimetres.
      sequences, path, simulated, title: as of `dataset_sheet`.
      further: sections of other directions below the slices, each with its labels
        ``(rows, columns)`` and images ``(rows, columns, S)`` in [-1, 1].
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for i, label in enumerate(labels):
        mask, *tiles = _row(label, images[i], sequences)
        mask = dataclasses.replace(mask, sides=("R", "L"))
        rows.append((f"synthesized\nz = {heights[i]:.0f} mm", [mask, *tiles]))
        if confidence is not None:
            rows.append((UNCERTAINTY, _maps(uncertainty_tile, confidence[i])))
    for section, label, image in further:
        tiles = _section_row(section, label, image, sequences)
        rows.append((f"synthesized\n{section.name}", tiles))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )


def sections_figure(
    labels: np.ndarray,
    volumes: Mapping[str, np.ndarray],
    *,
    spacing: Sequence[float],
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
) -> None:
    """Draws volumes in axial, coronal and sagittal sections, one below the other.

    Args:
      labels: axial slices ``(Z, H, W)``, ordered by height.
      volumes: name -> ``(Z, H, W, S)`` in [-1, 1].
      spacing: millimetres between slices, rows and columns.
      sequences, path, simulated, title: as of `dataset_sheet`.
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for section in sections(labels, spacing):
        for name, volume in volumes.items():
            pair = section.of(labels), section.of(volume)
            tiles = _section_row(section, *pair, sequences)
            rows.append((f"{name}\n{section.name}", tiles))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
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
    """Draws real and synthesized images, absolute errors and ``1 - c``, like Fig. 6.

    Args:
      instances: with ``labels`` and ``images`` as stored.
      images: synthesized ``(N, H, W, S)`` in [-1, 1].
      confidence: ``(N, h, w, S)`` in (0, 1), or None for a method without.
      sequences, path, simulated, title: as of `dataset_sheet`.
      zoom: whether to show the surroundings of the lesion again, magnified.
      error: whether to show the absolute error.
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for i, item in enumerate(instances):
        real, labels = unpack(item["images"]), item["labels"]
        box = None
        if zoom and np.isin(labels, LESION_LABELS).any():
            box = lesion_box(labels)
        pair = {"real": real, "synthesized": images[i]}
        for name, image in pair.items():
            rows.append((name, _row(labels, image, sequences, box=box)))
        for name, image in pair.items() if box else ():
            rows.append((f"zoom, {name}", _row(labels[box], image[box], sequences)))
        if error:
            rows.append((ERROR, _maps(error_tile, np.abs(images[i] - real))))
        if confidence is not None:
            rows.append((UNCERTAINTY, _maps(uncertainty_tile, confidence[i])))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )


def lesion_box(labels: np.ndarray, *, share: float = 0.4) -> tuple[slice, slice]:
    """Rows and columns of a square around the middle of the lesion.

    Args:
      labels: ``(H, W)`` with a lesion.
      share: smallest side of the square, as a share of the slice's smaller side.
    """
    places = np.argwhere(np.isin(labels, LESION_LABELS))
    low, high = places.min(axis=0), places.max(axis=0) + 1
    side = int(max(*(high - low), share * min(labels.shape)))
    side = min(side, *labels.shape)
    starts = np.clip((low + high - side) // 2, 0, np.array(labels.shape) - side)
    rows, columns = (slice(int(start), int(start) + side) for start in starts)
    return rows, columns


def _row(
    labels: np.ndarray,
    images: np.ndarray,
    sequences: Sequence[str],
    *,
    box: tuple[slice, slice] | None = None,
) -> list[Tile]:
    """The label map and the images of one slice."""
    tiles = [
        image_tile(images[..., channel], name, labels, box=box)
        for channel, name in enumerate(sequences)
    ]
    return [label_tile(labels), *tiles]


def _section_row(
    section: Section, labels: np.ndarray, images: np.ndarray, sequences: Sequence[str]
) -> list[Tile]:
    """The label map and the images of one section, with its sides on the label map."""
    mask, *tiles = _row(labels, images, sequences)
    mask = dataclasses.replace(mask, sides=section.sides)
    return [dataclasses.replace(tile, tall=section.tall) for tile in (mask, *tiles)]


def _maps(tile: Callable[[np.ndarray], Tile], maps: np.ndarray) -> list[Tile | None]:
    """A tile of each channel, below the images."""
    return [None, *(tile(maps[..., channel]) for channel in range(maps.shape[-1]))]
