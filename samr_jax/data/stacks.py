"""The slices of a dataset put together again: whole volumes of its subjects."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.dataset import Dataset, Slices
from samr_jax.data.subject import Subject
from samr_jax.data.window import pack, unpack
from samr_jax.labels import BACKGROUND


@dataclasses.dataclass(frozen=True)
class Stack:
    """What a dataset has of a subject, on its grid.

    Slices that it left out, since they hold no brain, are background.

    Attributes:
      subject: the name.
      labels: ``(Z, H, W)`` uint8.
      images: ``(Z, H, W, S)`` float32, network intensity in [-1, 1].
      tissue: ``(Z, H, W, 3)`` uint8 as stored, or None.
    """

    subject: str
    labels: np.ndarray
    images: np.ndarray
    tissue: np.ndarray | None


class Stacks:
    """The subjects of a split, read when they are asked for."""

    def __init__(self, dataset: Dataset, split: str):
        self.dataset = dataset
        self._slices = dataset.split(split)
        self._rows = _rows(self._slices)

    @property
    def names(self) -> tuple[str, ...]:
        """The subjects, sorted."""
        return tuple(sorted(self._rows))

    @functools.cached_property
    def atlas(self) -> np.ndarray:
        """The atlas as instances have it, ``(Z, H, W, 3 S)`` int16."""
        return stack_neighbours(pack(self.dataset.atlas))

    def __iter__(self) -> Iterator[Stack]:
        return (self[name] for name in self.names)

    def __getitem__(self, name: str) -> Stack:
        dataset = self.dataset
        shape = (dataset.grid.slices, *dataset.grid.size)
        labels = np.zeros(shape, np.uint8)
        images = np.broadcast_to(background(dataset), (*shape, len(dataset.sequences)))
        images = images.astype(np.float32)
        tissue = np.zeros((*shape, 3), np.uint8) if dataset.has_tissue else None
        for row in self._rows[name]:
            item = self._slices[row]
            labels[item["slice"]] = item["labels"]
            images[item["slice"]] = unpack(item["images"])
            if tissue is not None:
                tissue[item["slice"]] = item["tissue"]
        return Stack(name, labels, images, tissue)


def background(dataset: Dataset) -> np.ndarray:
    """What 0 of every sequence's unit is in network intensity, ``(S,)``."""
    return dataset.normalise(None, np.zeros(len(dataset.sequences), np.float32))


def to_subject(stack: Stack, dataset: Dataset) -> Subject:
    """The stack in the units of the dataset's windows, common to all its subjects.

    Written again with these windows, images are what they were. The tissue prior is
    left out.
    """
    images = dataset.restore(None, stack.images)
    images[stack.labels == BACKGROUND] = 0
    return Subject(stack.subject, images, stack.labels)


def _rows(slices: Slices | Sequence[dict]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row in range(len(slices)):
        rows.setdefault(slices[row]["subject"], []).append(row)
    return rows
