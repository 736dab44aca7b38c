"""Lesion manipulation on label maps (Fig. 7 and Supplementary Fig. 1 of the paper).

A recipe is a list of edits and a seed, written as a line of text or as JSON. Applied
again to the same labels it gives the same result.

Every recipe keeps the background, so that the lesion stays inside the brain. Cavity and
tumor lie within the lesion, and its remainder is edema.

Example:
  >>> import numpy as np
  >>> labels = np.ones((32, 32), np.uint8)
  >>> labels[10:20, 10:20], labels[12:16, 12:16] = 2, 4
  >>> edited = apply("scale:tumor=2.0,move:dx=5", labels, spacing=(1.0, 1.0))
  >>> int((labels == 4).sum()), int((edited == 4).sum())
  (16, 32)
"""

from samr_jax.data.edits.random_edit import draw_recipe, random_edit
from samr_jax.data.edits.recipe import EDITS, Recipe, apply, parse
from samr_jax.data.edits.volume import EditedVolume, edit_files, edit_volume

__all__ = [
    "EDITS",
    "EditedVolume",
    "Recipe",
    "apply",
    "draw_recipe",
    "edit_files",
    "edit_volume",
    "parse",
    "random_edit",
]
