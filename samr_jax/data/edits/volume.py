"""Edits of mask files: NIfTI volumes of any orientation and annotation protocol."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from samr_jax.data.edits.random_edit import random_edit
from samr_jax.data.edits.recipe import Recipe, apply, parse
from samr_jax.data.nifti import (
    Volume,
    check_same_grid,
    read_labels,
    read_volume,
    write_volume,
)
from samr_jax.labels import LABELS, NORMAL, mark_normal_brain, preset, remap
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json, write_json

_AXES = ("S", "P", "L")
"""Arrays are edited as [slice up, row to posterior, column to the left]."""

_RANDOM = re.compile(r"random(?:,seed=(\d+))?")


@dataclasses.dataclass(frozen=True)
class EditedVolume:
    """What became of a mask.

    Attributes:
      mask: the edited labels ``(X, Y, Z)`` uint8 of our codes (preset "samr"), on the
        grid of the original.
      recipe: what was done; a drawn one where the edit was "random".
      about: for a record beside the file: the original, and millilitres of each label
        before and after.
    """

    mask: Volume
    recipe: Recipe
    about: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The recipe and what it was applied to; `read_recipe` reads it again."""
        return {**self.recipe.to_json(), "about": self.about}


def edit_volume(
    mask: Volume,
    edit: str,
    *,
    labels: str = "samr",
    brain: np.ndarray | None = None,
    donors: Sequence[str] = (),
) -> EditedVolume:
    """Edits a mask volume.

    Args:
      mask: label map; its axes may point anywhere along the body's.
      edit: a recipe's text, the path of its JSON, or ``random`` with or without a seed
        (``random,seed=7``). Donors in a recipe are mask files.
      labels: preset of the codes of `mask` and donors, see `samr_jax.labels.PRESETS`.
      brain: boolean ``(X, Y, Z)``, needed where the preset has no normal brain.
      donors: mask files that a random edit may use.

    Raises:
      InputError: see `samr_jax.data.edits.apply`; or the brain is not known.
    """
    codes = remap(mask.data, preset(labels), source=mask.source)
    if brain is not None:
        codes = mark_normal_brain(codes, brain)
    if not np.any(codes == NORMAL):
        raise InputError(
            f"{mask.source}: no normal brain in label preset {labels!r}, expected a "
            "brain mask beside it"
        )
    orient = nib.orientations.apply_orientation
    to_axes, from_axes = _orientations(mask.affine)
    spacing = tuple(mask.spacing[np.argsort(to_axes[:, 0])].tolist())
    drawn = _RANDOM.fullmatch(edit)
    recipe = None if drawn else read_recipe(edit)
    material = {
        name: orient(_on_grid(name, mask, labels), to_axes)
        for name in (donors if recipe is None else recipe.donors)
    }
    original = orient(codes, to_axes)
    if recipe is None:
        rng = np.random.default_rng(int(drawn[1] or 0))
        recipe, edited = random_edit(original, rng, spacing=spacing, donors=material)
    else:
        edited = apply(recipe, original, spacing=spacing, donors=material)
    about = {
        "text": str(recipe),
        "millilitres": _sizes(original, edited, spacing),
    }
    back = np.ascontiguousarray(orient(edited, from_axes))
    return EditedVolume(Volume(back, mask.affine, mask.source), recipe, about)


def edit_files(
    mask: str,
    edit: str,
    output: str,
    *,
    labels: str = "samr",
    brain: str | None = None,
    donors: Sequence[str] = (),
) -> EditedVolume:
    """Edits a mask file; writes the edited one and its recipe beside it as ``.json``.

    Args:
      mask: file.
      edit: see `edit_volume`.
      output: ``.nii`` or ``.nii.gz``.
      labels: preset of the codes of `mask` and donors.
      brain: file on the grid of `mask`, not 0 in the brain.
      donors: mask files that a random edit may use.
    """
    volume, around = read_labels(mask), None
    if brain is not None:
        scan = read_volume(brain)
        check_same_grid({"mask": volume, "brain": scan})
        around = scan.data != 0
    edited = edit_volume(volume, edit, labels=labels, brain=around, donors=donors)
    write_volume(output, edited.mask.data, volume.affine)
    stem = output.removesuffix(".gz").removesuffix(".nii")
    write_json(f"{stem}.json", edited.to_json())
    return edited


def read_recipe(edit: str) -> Recipe:
    """A recipe from its text, or from the file if the text ends in ``.json``."""
    if not edit.endswith(".json"):
        return parse(edit)
    try:
        return Recipe.from_json(read_json(edit))
    except InputError as error:
        prefix = "" if str(error).startswith(edit) else f"{edit}: "
        raise InputError(f"{prefix}{error}") from None


def _on_grid(path: str, mask: Volume, labels: str) -> np.ndarray:
    """A donor's codes on the mask's grid, by nearest neighbour."""
    donor = read_labels(path)
    codes = remap(donor.data, preset(labels), source=path)
    image = nib.Nifti1Image(codes, donor.affine)
    target = (mask.data.shape, mask.affine)
    return np.asarray(resample_from_to(image, target, order=0).dataobj, np.uint8)


def _orientations(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """nibabel's transforms from the file's axes to `_AXES` and back."""
    own = nib.orientations.io_orientation(affine)
    ours = nib.orientations.axcodes2ornt(_AXES)
    transform = nib.orientations.ornt_transform
    return transform(own, ours), transform(ours, own)


def _sizes(
    before: np.ndarray, after: np.ndarray, spacing: tuple[float, ...]
) -> dict[str, list[float]]:
    """Millilitres before and after, by label."""
    cell = float(np.prod(spacing)) / 1000
    return {
        name: [round(cell * np.count_nonzero(v == code), 3) for v in (before, after)]
        for code, name in enumerate(LABELS)
    }
