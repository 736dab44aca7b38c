"""Figures of segmentation, alone or together with synthesis, like Fig. 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.window import unpack
from samr_jax.evaluation.drawing.figures import UNCERTAINTY
from samr_jax.evaluation.drawing.tiles import (
    Tile,
    draw_grid,
    image_tile,
    label_tile,
    uncertainty_tile,
)


def translation_figure(
    instances: Sequence[Mapping],
    images: np.ndarray,
    confidence: np.ndarray | None,
    segmented: np.ndarray,
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
) -> None:
    """Draws real mask and images, their translations into each other, and ``1 - c``.

    Args:
      instances: with ``labels`` and ``images`` as stored.
      images: synthesized from the masks, ``(N, H, W, S)`` in [-1, 1].
      confidence: ``(N, h, w, S)`` in (0, 1), or None for a method without.
      segmented: label maps found in the real images, ``(N, H, W)``.
      sequences: names of the channels.
      path: the PNG to write.
      simulated: whether to say that the data are simulated.
      title: heading.
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for i, item in enumerate(instances):
        labels = item["labels"]
        pairs = {
            "real": (labels, unpack(item["images"])),
            "translated": (segmented[i], images[i]),
        }
        for name, (mask, channels) in pairs.items():
            tiles = [
                image_tile(channels[..., c], sequence, labels)
                for c, sequence in enumerate(sequences)
            ]
            rows.append((name, [label_tile(mask), *tiles]))
        if confidence is not None:
            maps = [
                uncertainty_tile(confidence[i, ..., c]) for c in range(len(sequences))
            ]
            rows.append((UNCERTAINTY, [None, *maps]))
    draw_grid(
        rows,
        columns=["mask", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )


def segmentation_figure(
    instances: Sequence[Mapping],
    segmented: np.ndarray,
    *,
    sequences: Sequence[str],
    path: Path,
    simulated: bool,
    title: str,
) -> None:
    """Draws a row for each instance: real labels, labels that were found, and images.

    Args:
      instances: with ``subject``, ``labels`` and ``images`` as stored.
      segmented: label maps found in the images, ``(N, H, W)``.
      sequences, path, simulated, title: as of `translation_figure`.
    """
    rows: list[tuple[str, Sequence[Tile | None]]] = []
    for item, found in zip(instances, segmented, strict=True):
        labels, channels = item["labels"], unpack(item["images"])
        tiles = [
            image_tile(channels[..., c], sequence, labels)
            for c, sequence in enumerate(sequences)
        ]
        rows.append((item["subject"], [label_tile(labels), label_tile(found), *tiles]))
    draw_grid(
        rows,
        columns=["real labels", "found", *sequences],
        path=path,
        title=title,
        simulated=simulated,
        sequences=sequences,
    )
