"""Stacks: the slices of a dataset, put together to the volumes of its subjects."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.dataset import Dataset
from samr_jax.data.lesion_ranges import (
    LesionRanges,
    ranges_of_subject,
    ranges_of_subjects,
)
from samr_jax.data.slices import Instances
from samr_jax.data.subject import Subject
from samr_jax.data.window import pack, unpack
from samr_jax.labels import BACKGROUND


@dataclasses.dataclass(frozen=True)
class Stack:
    """One subject's volumes on the dataset's grid.

    The dataset leaves out slices without brain. In a stack they are background.

    Attributes:
      subject: name of the subject.
      labels: ``(Z, H, W)`` uint8.
      images: ``(Z, H, W, S)`` float32, network intensity in [-1, 1].
      tissue: ``(Z, H, W, 3)`` uint8 as stored, or None.
    """

    subject: str
    labels: np.ndarray
    images: np.ndarray
    tissue: np.ndarray | None


class Stacks:
    """The stacks of a split by subject, each read on access."""

    def __init__(self, dataset: Dataset, split: str):
        self.dataset = dataset
        self._slices = dataset.split(split)
        self._rows = _rows(self._slices)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the subjects, sorted."""
        return tuple(sorted(self._rows))

    @functools.cached_property
    def atlas(self) -> np.ndarray:
        """The atlas in the form of `Slices`, ``(Z, H, W, 3 S)`` int16."""
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


def compute_lesion_ranges(dataset: Dataset) -> LesionRanges:
    """The ranges of the training subjects' lesions, from all slices of the subjects."""
    return ranges_of_subjects(
        ranges_of_subject(stack.labels, dataset.grid)
        for stack in Stacks(dataset, "train")
    )


def background(dataset: Dataset) -> np.ndarray:
    """Network intensity ``(S,)`` of the value 0 in each sequence's unit."""
    return dataset.normalise(None, np.zeros(len(dataset.sequences), np.float32))


def to_subject(stack: Stack, dataset: Dataset) -> Subject:
    """The stack in the units of the dataset's windows, which all subjects share.

    A dataset that is written with these windows holds the same images again. The tissue
    prior is left out.
    """
    images = dataset.restore(None, stack.images)
    images[stack.labels == BACKGROUND] = 0
    patient = dataset.patient_of(stack.subject)
    return Subject(stack.subject, images, stack.labels, patient=patient)


def _rows(slices: Instances) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row in range(len(slices)):
        rows.setdefault(slices[row]["subject"], []).append(row)
    return rows
