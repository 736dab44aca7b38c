"""The masks that a page offers, to edit or to take lesions from."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.edits.volume import axial_spacing
from samr_jax.data.nifti import Volume, in_our_codes, read_labels
from samr_jax.data.orientation import axial, axial_affine
from samr_jax.data.planes import Planes
from samr_jax.inference.placement import with_normal_brain
from samr_jax.labels import LESION_LABELS
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError

MAX_MASKS = 12
"""Most masks in memory; with one more, the oldest mask that was loaded leaves."""


@dataclasses.dataclass(frozen=True)
class PageMask:
    """A mask with normal brain, in the space of the model's atlas.

    Attributes:
      name: name in lists and, for a donor, in recipes.
      volume: label map of our codes on the grid of its file.
    """

    name: str
    volume: Volume

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Axial slices ``(Z, H, W)`` uint8."""
        slices = axial(self.volume.data, self.volume.affine)
        return np.ascontiguousarray(slices, np.uint8)

    @functools.cached_property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres between slices, rows and columns."""
        return axial_spacing(self.volume)

    def describe(self) -> dict[str, Any]:
        """What the page shows of the mask, JSON-ready."""
        slices, rows, columns = self.labels.shape
        affine = axial_affine(self.volume.affine, self.volume.data.shape)
        middle = ((columns - 1) / 2, (rows - 1) / 2)
        heights = [affine[2] @ (*middle, index, 1) for index in range(slices)]
        inside = np.argwhere((self.labels > 0).any(axis=0))
        lesion = np.isin(self.labels, LESION_LABELS).sum(axis=(1, 2))
        brain = (self.labels > 0).sum(axis=(1, 2))
        return {
            "name": self.name,
            "shape": list(self.labels.shape),
            "spacing": list(self.spacing),
            "heights": [round(float(height), 2) for height in heights],
            "box": [*inside.min(axis=0).tolist(), *inside.max(axis=0).tolist()],
            "first": int((lesion if lesion.any() else brain).argmax()),
        }


class Masks:
    """Masks by their names; safe for several threads."""

    def __init__(self) -> None:
        self._masks: dict[str, PageMask] = {}
        self._kept: set[str] = set()
        self._digests: dict[str, str] = {}  # Also of masks that have left.
        self._lock = threading.Lock()

    def add(self, mask: PageMask, *, keep: bool = False) -> PageMask:
        """Adds a mask; if another mask has or had its name, it gets a number.

        Args:
          mask: the mask.
          keep: whether the mask stays, however many follow.

        Returns:
          The mask with the name that it has here.
        """
        with self._lock:
            digest = _digest(mask.volume)
            for name in _numbered(mask.name):
                if self._digests.setdefault(name, digest) == digest:
                    break
            volume = dataclasses.replace(mask.volume, source=name)
            mask = self._masks.setdefault(name, PageMask(name, volume))
            if keep:
                self._kept.add(name)
            loaded = [name for name in self._masks if name not in self._kept]
            if len(self._masks) > MAX_MASKS and loaded[:-1]:
                del self._masks[loaded[0]]
            return mask

    def __getitem__(self, name: str) -> PageMask:
        with self._lock:
            if name not in self._masks:
                raise InputError(
                    f"mask {name!r:.100}: not loaded (any more), expected one of: "
                    f"{', '.join(self._masks)}"
                )
            return self._masks[name]

    def all(self) -> list[PageMask]:
        with self._lock:
            return list(self._masks.values())


def read_mask(path: Path | str, model: Model, *, labels: str, name: str) -> PageMask:
    """Reads a mask; where it marks no normal brain, it gets the atlas's.

    Args:
      path: NIfTI file in the space of the model's atlas.
      model: says where the atlas has brain.
      labels: preset of the codes, see `samr_jax.labels.PRESETS`.
      name: name of the mask on the page; what a recipe cannot hold is replaced.

    Raises:
      InputError: the file cannot be used.
    """
    name = recipe_name(name)
    volume = dataclasses.replace(read_labels(path), source=name)
    volume = in_our_codes(volume, labels)
    planes = Planes.through(volume.affine, volume.data.shape, model.dataset.grid)
    codes = with_normal_brain(volume.data, planes, model.dataset.brain, source=name)
    return PageMask(name, dataclasses.replace(volume, data=codes.astype(np.uint8)))


def recipe_name(name: str) -> str:
    """A file's name as a recipe and a ZIP file can hold it: ``my_mask.nii.gz``."""
    name = re.sub(r"[^\w.+()-]+", "_", Path(name).name)[-80:].lstrip(".-+()")
    stem = re.sub(r"\.nii(\.gz)?$", "", name) or "mask"
    return f"{stem}.nii.gz"


def _numbered(name: str) -> Iterator[str]:
    """The name, and then the name with numbers: mask.nii.gz, mask-2.nii.gz, ..."""
    yield name
    stem = name.removesuffix(".nii.gz")
    for number in itertools.count(2):
        yield f"{stem}-{number}.nii.gz"


def _digest(volume: Volume) -> str:
    data = np.ascontiguousarray(volume.data)
    content = (repr(data.shape).encode(), volume.affine.tobytes(), data.tobytes())
    return hashlib.sha256(b"".join(content)).hexdigest()
