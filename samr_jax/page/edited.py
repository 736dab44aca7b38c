"""Masks with edits, of which mostly the last one is new."""

from __future__ import annotations

import collections
import dataclasses
import threading

import numpy as np

from samr_jax.data.edits import EditedVolume, apply, edit_volume
from samr_jax.data.edits.recipe import Recipe
from samr_jax.data.edits.volume import on_grid_of
from samr_jax.data.nifti import Volume
from samr_jax.data.orientation import axial
from samr_jax.page.masks import Masks, PageMask

KEPT = 24
"""Edited masks in memory, so that the next edit and undoing are fast."""


class EditedMasks:
    """Applies recipes to masks; the donors of a recipe are masks of the page.

    Args:
      masks: all masks.
    """

    def __init__(self, masks: Masks):
        self._masks = masks
        self._known: collections.OrderedDict = collections.OrderedDict()
        self._lock = threading.Lock()

    def labels(self, mask: PageMask, recipe: Recipe | None) -> np.ndarray:
        """Axial slices ``(Z, H, W)`` of the edited mask.

        Raises:
          InputError: an edit cannot be done.
        """
        if recipe is None:
            return mask.labels
        with self._lock:
            done, labels = self._nearest(mask, recipe)
            if done < len(recipe.edits):
                further = Recipe(recipe.edits[done:], recipe.seed)
                donors = {name: self._donor(mask, name) for name in further.donors}
                labels = apply(
                    recipe, labels, spacing=mask.spacing, donors=donors, done=done
                )
            self._keep(_key(mask, recipe, len(recipe.edits)), labels)
            return labels

    def edit(self, mask: Volume, recipe: Recipe) -> EditedVolume:
        """The edited mask on the grid of its file, as ``samr-jax edit`` makes it.

        The record of the edit also names the mask.
        """
        edited = edit_volume(
            mask, recipe, read_donor=lambda name: self._masks[name].volume
        )
        about = {"mask": mask.source, **edited.about}
        return dataclasses.replace(edited, about=about)

    def _nearest(self, mask: PageMask, recipe: Recipe) -> tuple[int, np.ndarray]:
        """How many of the edits some known labels have, and these labels."""
        for done in range(len(recipe.edits), 0, -1):
            key = _key(mask, recipe, done)
            if key in self._known:
                self._known.move_to_end(key)
                return done, self._known[key]
        return 0, mask.labels

    def _keep(self, key: tuple, labels: np.ndarray) -> None:
        self._known[key] = labels
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _donor(self, mask: PageMask, name: str) -> np.ndarray:
        donor = on_grid_of(mask.volume, self._masks[name].volume)
        return axial(donor, mask.volume.affine)


def _key(mask: PageMask, recipe: Recipe, done: int) -> tuple:
    return mask.name, recipe.seed, recipe.edits[:done]
