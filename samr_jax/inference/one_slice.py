"""Synthesis of one axial slice of a mask, again and again while its lesion is edited.

A slice gets the images that `samr_jax.inference.volumes.synthesize_volume` gives it.
What stays the same when a lesion is edited, is computed once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.data.orientation import axial, axial_affine
from samr_jax.data.planes import Planes, at_heights, stack_neighbours_at
from samr_jax.data.tissue import brain_of_tissue
from samr_jax.data.window import pack
from samr_jax.inference.anatomy import Anatomy, chosen_anatomy, fitted, maps_on_grid
from samr_jax.inference.placement import with_normal_brain
from samr_jax.labels import BACKGROUND
from samr_jax.models.decoder import Synthesis
from samr_jax.runs.batched import synthesize_all
from samr_jax.runs.model import Model


@dataclasses.dataclass(frozen=True)
class SynthesizedSlice:
    """The images of an axial slice, whose rows and columns are the mask's.

    Attributes:
      images: ``(H, W, S)`` float32 in dataset units, 0 outside the brain.
      confidence: ``(H, W, S)`` in (0, 1), or None for a method without.
    """

    images: np.ndarray
    confidence: np.ndarray | None


class SliceSynthesizer:
    """Synthesizes slices of a mask and of all masks that differ in the lesion alone.

    Args:
      model: a trained one.
      mask: label map of our codes with normal brain, in the space of the model's atlas.
      anatomy: the brain that the lesion is put into, as for `samr_jax.synthesize`.

    Raises:
      InputError: the mask does not lie in that space, or the anatomy cannot be used.
    """

    def __init__(self, model: Model, mask: Volume, *, anatomy: Anatomy | None = None):
        self._model, grid = model, model.dataset.grid
        self._told, self._maps = chosen_anatomy(model, anatomy), None
        brain = model.dataset.brain
        if self._told is not None:
            self._maps = maps_on_grid(self._told, model.dataset, grid)
            if not isinstance(self._told, str):
                brain = brain_of_tissue(self._maps)
        affine = axial_affine(mask.affine, mask.data.shape)
        turned = _columns_first(axial(mask.data, mask.affine))
        self._planes = Planes.through(affine, turned.shape, grid)
        with_normal_brain(turned, self._planes, brain, source=mask.source)
        self._mask = np.where(self._planes.covered, turned, BACKGROUND)
        self._stored = functools.lru_cache(maxsize=32)(self._stored_with_any_lesion)

    def planes_of(self, index: int) -> slice:
        """The planes that a slice of the mask lies between; empty for none."""
        planes = self._planes
        step = planes.heights[1] - planes.heights[0] if len(planes.heights) > 1 else 1.0
        columns, rows = np.meshgrid([0, planes.shape[0] - 1], [0, planes.shape[1] - 1])
        levels = columns * planes.to_atlas[2, 0] + rows * planes.to_atlas[2, 1]
        levels = levels + index * planes.to_atlas[2, 2] + planes.to_atlas[2, 3]
        places = np.round((levels - planes.heights[0]) / step, 4)
        first = max(int(np.floor(places.min())), 0)
        return slice(first, min(int(np.ceil(places.max())) + 1, len(planes.heights)))

    def __call__(
        self, labels: np.ndarray, index: int, *, seed: int = 0
    ) -> SynthesizedSlice:
        """Synthesizes one slice.

        Args:
          labels: axial slices ``(Z, H, W)`` of the edited mask, with the background of
            the mask.
          index: which of the slices.
          seed: of the noise, for a model that sees noise.

        Returns:
          The images; all 0 for a slice that lies outside the field of view.
        """
        chosen = self.planes_of(index)
        channels = len(self._model.dataset.sequences)
        if chosen.start >= chosen.stop:
            nothing = np.zeros((*labels.shape[1:], channels), np.float32)
            return SynthesizedSlice(nothing, None)
        planes = dataclasses.replace(self._planes, heights=self._planes.heights[chosen])
        codes = np.where(self._mask == BACKGROUND, BACKGROUND, _columns_first(labels))
        in_planes = planes.from_mask(codes)
        stored = {"labels": in_planes, **self._stored(chosen.start, chosen.stop)}
        synthesis = synthesize_all(
            self._model, stored, batch_size=1, seed=seed, first=chosen.start
        )
        images = self._model.dataset.restore(None, synthesis.images)
        images[in_planes == BACKGROUND] = 0
        outside = codes[..., index].T == BACKGROUND
        return self._on_slice(planes, index, images, synthesis, outside)

    def _on_slice(
        self,
        planes: Planes,
        index: int,
        images: np.ndarray,
        synthesis: Synthesis,
        outside: np.ndarray,
    ) -> SynthesizedSlice:
        """Images and confidence of some planes at the voxels of a slice."""
        shift = np.eye(4)
        shift[2, 3] = index
        shape = (*planes.shape[:2], 1)
        at = Planes(planes.grid, planes.heights, planes.to_atlas @ shift, shape)

        def moved(values: np.ndarray) -> np.ndarray:
            on_slice = at.to_mask(values)[:, :, 0].swapaxes(0, 1)
            return np.where(outside[..., None], 0, on_slice)

        confidence = synthesis.confidence
        if confidence is not None:
            confidence = moved(confidence.repeat(2, 1).repeat(2, 2))
        return SynthesizedSlice(moved(images), confidence)

    def _stored_with_any_lesion(
        self, start: int, stop: int
    ) -> Mapping[str, np.ndarray]:
        """The atlas and the tissue maps of some planes, as a model takes them."""
        heights = self._planes.heights[start:stop]
        stored = {
            "atlas": pack(stack_neighbours_at(self._model.dataset.atlas, heights))
        }
        if self._maps is not None and self._told is not None:
            planes = dataclasses.replace(self._planes, heights=heights)
            brain = planes.from_mask(self._mask)
            stored["tissue"] = fitted(
                self._told, at_heights(self._maps, heights), brain
            )
        return stored


def _columns_first(slices: np.ndarray) -> np.ndarray:
    """Axial slices ``(slice, row, column)`` as an array ``(column, row, slice)``."""
    return np.transpose(slices, (2, 1, 0))
