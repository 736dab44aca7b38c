"""Edits of mask files: NIfTI volumes of any orientation and annotation protocol."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from samr_jax.data.edits.random_edit import random_edit
from samr_jax.data.edits.recipe import Recipe, apply, parse
from samr_jax.data.nifti import (
    Volume,
    check_new_volume,
    check_same_grid,
    in_our_codes,
    read_labels,
    read_volume,
    same_grid,
    write_volume,
)
from samr_jax.data.orientation import axial, axial_affine, from_axial
from samr_jax.labels import LABELS, NORMAL, mark_normal_brain
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_new_file, read_json, write_json

_RANDOM = re.compile(r"random(?:,seed=(\d+))?")


@dataclasses.dataclass(frozen=True)
class EditedVolume:
    """An edited mask and the recipe that was applied.

    Attributes:
      mask: the edited labels ``(X, Y, Z)`` uint8 of our codes (preset "samr"), on the
        grid of the original.
      recipe: the edits; where "random" was asked for, the recipe that was drawn.
      about: the recipe's text, and millilitres of each label before and after.
    """

    mask: Volume
    recipe: Recipe
    about: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The recipe with `about`, as JSON that `read_recipe` reads again."""
        return {**self.recipe.to_json(), "about": self.about}


def edit_volume(
    mask: Volume,
    edit: str | Recipe,
    *,
    donors: Sequence[str] = (),
    donor_labels: str = "samr",
    read_donor: Callable[[str], Volume] | None = None,
) -> EditedVolume:
    """Edits a mask volume in axial slices, whatever its own orientation.

    Args:
      mask: label map of our codes, normal brain marked.
      edit: a recipe, its text, the path of its JSON, or ``random`` with or without a
        seed (``random,seed=7``). Donors in a recipe are mask files.
      donors: mask files that a random edit may use.
      donor_labels: preset of the codes of all donors, those in a recipe included; see
        `samr_jax.labels.PRESETS`.
      read_donor: gives the label map of a donor, in our codes, by its name in the
        recipe; by default the file of that name is read.

    Raises:
      InputError: the mask has no normal brain, a donor cannot be read, or the edit is
        refused by `samr_jax.data.edits.apply`.
    """
    if not np.any(mask.data == NORMAL):
        raise InputError(
            f"{mask.source}: no normal brain, expected a label preset that marks it or "
            "a brain mask"
        )
    original = axial(mask.data, mask.affine).astype(np.uint8)
    spacing = axial_spacing(mask)
    of_name = read_donor or functools.partial(_read_donor, labels=donor_labels)

    def read(names: Sequence[str]) -> dict[str, np.ndarray]:
        return {n: axial(on_grid_of(mask, of_name(n)), mask.affine) for n in names}

    if isinstance(edit, str) and (drawn := _RANDOM.fullmatch(edit)):
        rng = np.random.default_rng(int(drawn[1] or 0))
        recipe, edited = random_edit(
            original, rng, spacing=spacing, donors=read(donors)
        )
    else:
        recipe = read_recipe(edit) if isinstance(edit, str) else edit
        edited = apply(recipe, original, spacing=spacing, donors=read(recipe.donors))
    about = {
        "text": str(recipe),
        "millilitres": _sizes(original, edited, spacing),
    }
    result = Volume(from_axial(edited, mask.affine), mask.affine, mask.source)
    return EditedVolume(result, recipe, about)


def edit_files(
    mask: str,
    edit: str,
    output: str,
    *,
    labels: str = "samr",
    brain: str | None = None,
    mark: Callable[[Volume], Volume] | None = None,
    donors: Sequence[str] = (),
) -> EditedVolume:
    """Edits a mask file, and writes its recipe next to it as ``.json``.

    Args:
      mask: file.
      edit: see `edit_volume`.
      output: ``.nii`` or ``.nii.gz``; its codes are ours, whatever `labels` says.
      labels: preset of the codes of `mask` and all donors.
      brain: file on the grid of `mask`, not 0 in the brain.
      mark: marks normal brain in a mask that has none, if there is no `brain`.
      donors: mask files that a random edit may use.

    Raises:
      InputError: one of the two files exists already or cannot be written; also for
        the reasons of `edit_volume`.
    """
    recipe = f"{output.removesuffix('.gz').removesuffix('.nii')}.json"
    check_new_volume(output)
    check_new_file(recipe)
    volume = in_our_codes(read_labels(mask), labels)
    if brain is not None:
        scan = read_volume(brain)
        check_same_grid({"mask": volume, "brain": scan})
        marked = mark_normal_brain(volume.data, scan.data != 0)
        volume = dataclasses.replace(volume, data=marked)
    elif mark is not None and not np.any(volume.data == NORMAL):
        volume = mark(volume)
    edited = edit_volume(volume, edit, donors=donors, donor_labels=labels)
    write_json(recipe, edited.to_json())
    write_volume(output, edited.mask.data, volume.affine)
    return edited


def read_recipe(edit: str) -> Recipe:
    """Reads a recipe from its text, or from a file if `edit` ends in ``.json``."""
    if not edit.endswith(".json"):
        return parse(edit)
    try:
        return Recipe.from_json(read_json(edit))
    except InputError as error:
        prefix = "" if str(error).startswith(edit) else f"{edit}: "
        raise InputError(f"{prefix}{error}") from None


def on_grid_of(mask: Volume, donor: Volume) -> np.ndarray:
    """A donor's codes ``(X, Y, Z)`` at the voxels of a mask, by nearest neighbour.

    Grids that are the same to 0.01 mm count as the same. The last digit of an affine
    could otherwise put the outermost slice outside of the mask.
    """
    if same_grid(mask, donor):
        return donor.data.astype(np.uint8)
    image = nib.Nifti1Image(donor.data, donor.affine)
    target = (mask.data.shape, mask.affine)
    return np.asarray(resample_from_to(image, target, order=0).dataobj, np.uint8)


def axial_spacing(mask: Volume) -> tuple[float, ...]:
    """Millimetres between axial slices, rows and columns."""
    affine = axial_affine(mask.affine, mask.data.shape)
    return tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist())


def _read_donor(path: str, labels: str) -> Volume:
    return in_our_codes(read_labels(path), labels)


def _sizes(
    before: np.ndarray, after: np.ndarray, spacing: tuple[float, ...]
) -> dict[str, list[float]]:
    """Millilitres before and after, by label."""
    cell = float(np.prod(spacing)) / 1000
    return {
        name: [round(cell * np.count_nonzero(v == code), 3) for v in (before, after)]
        for code, name in enumerate(LABELS)
    }
