"""Synthesis of whole volumes: a lesion mask in NIfTI in, images on its grid out.

The networks see axial slices on the atlas's in-plane grid. A mask of any other grid is
cut into planes at its own heights, so that thin slices stay thin. The atlas is
interpolated to those heights, and the synthesized images are resampled to the mask's
voxels.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from samr_jax.data.atlas_space import AtlasSpace
from samr_jax.data.edits import EditedVolume
from samr_jax.data.further_slices import atlas_for
from samr_jax.data.nifti import Volume
from samr_jax.data.planes import Planes, at_heights, stack_neighbours_at
from samr_jax.data.tissue import brain_of_tissue
from samr_jax.data.window import pack
from samr_jax.inference.anatomy import (
    Anatomy,
    TissueMaps,
    Told,
    anatomy_record,
    chosen_anatomy,
    fitted,
    maps_on_grid,
)
from samr_jax.inference.native_space import Scales
from samr_jax.inference.outside_training import (
    Comparison,
    compare_volume,
    warning_of,
)
from samr_jax.inference.placement import (
    LesionCount,
    heights,
    in_view,
    with_normal_brain,
)
from samr_jax.labels import BACKGROUND
from samr_jax.prepare.subject.landmarks import piecewise_linear
from samr_jax.runs.batched import synthesize_all
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.memory import free_memory
from samr_jax.runtime.progress import Show, silent

_log = logging.getLogger(__name__)

Warn = Callable[[str], None]
"""Receives a line for the user."""


def log_warning(text: str) -> None:
    """Logs a line for the user."""
    _log.warning("warning: %s", text)


@dataclasses.dataclass(frozen=True)
class SynthesizedVolume:
    """The images of a mask volume, on the mask's grid or a patient's.

    Attributes:
      images: ``(X, Y, Z, S)`` float32 in dataset units, 0 outside the brain.
      confidence: ``(X, Y, Z, S)`` in (0, 1), or None for a method without.
      labels: ``(X, Y, Z)`` uint8: the mask in our codes as it was used, with normal
        brain marked and background outside the slices of the atlas.
      affine: from voxel indices to RAS+ millimetres.
      sequences: names along the last axis.
      lesion: how much of the lesion has an image.
      outside: properties of the mask that are outside of the training's ranges; None if
        the ranges are not on record.
      scales: units of the sequences that are to be written in a patient's own unit; see
        `samr_jax.inference.native_space`.
      edit_record: JSON-ready, how the mask was edited; None if it was not.
      told: JSON-ready, what the model was told beyond mask and atlas: ``anatomy``, and
        ``noise_seed``, each only for a model that sees it.
    """

    images: np.ndarray
    confidence: np.ndarray | None
    labels: np.ndarray
    affine: np.ndarray
    sequences: tuple[str, ...]
    lesion: LesionCount
    outside: Comparison = None
    scales: Scales = dataclasses.field(default_factory=dict)
    edit_record: Mapping[str, Any] | None = None
    told: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def in_own_units(self, sequence: str) -> np.ndarray:
        """One sequence ``(X, Y, Z)``, in the patient's unit if it is known, otherwise
        in the dataset's."""
        image = self.images[..., self.sequences.index(sequence)]
        if sequence not in self.scales:
            return image
        return piecewise_linear(image, *self.scales[sequence])


def synthesize_volume(
    model: Model,
    mask: Volume,
    *,
    atlas: AtlasSpace | None = None,
    edit: Callable[[Volume], EditedVolume] | None = None,
    anatomy: Anatomy | None = None,
    seed: int = 0,
    show: Show = silent,
    warn: Warn = log_warning,
) -> SynthesizedVolume:
    """Synthesizes every axial plane of a mask.

    Args:
      model: a trained one.
      mask: label map of our codes (see `samr_jax.data.nifti.in_our_codes`), whose
        affine leads to the RAS+ millimetres of the atlas's space. If no voxel is normal
        brain, the atlas says where the brain is.
      atlas: by default the atlas of the model's training data, with further
        slices if the mask leaves the slices of the training and the dataset has some.
      edit: changes the mask before it is used. The mask that `edit` receives has normal
        brain.
      anatomy: the brain that the lesion is put into, as for `samr_jax.synthesize`; maps
        are on the atlas's grid.
      seed: of the noise, as for `samr_jax.synthesize`.
      show: how progress is shown, see `samr_jax.runtime.progress`.
      warn: is told of a lesion that has no image in part, and of a mask that is outside
        of what the model was trained with.

    Raises:
      InputError: the mask has neither lesion nor brain, it does not lie in the atlas's
        space, or it has more voxels than fit into memory.
    """
    _check_memory(mask, len(model.dataset.sequences))
    told = chosen_anatomy(model, anatomy)
    atlas, maps = _atlas_and_maps(model, mask, atlas, told)
    planes = Planes.through(mask.affine, mask.data.shape, atlas.grid)
    codes = with_normal_brain(mask.data, planes, atlas.brain, source=mask.source)
    edit_record = None
    if edit is not None:
        edited = edit(Volume(codes, mask.affine, mask.source))
        codes, edit_record = edited.mask.data.astype(np.uint8), edited.to_json()
    codes, lesion = in_view(codes, planes.covered)
    outside = compare_volume(codes, planes, model.dataset)
    if lesion.warning:
        warn(
            f"{mask.source}: {lesion.warning}; {heights(atlas.grid)}, and a run or an "
            "--atlas with further slices shows more"
        )
    if outside:
        warn(f"{mask.source}: {warning_of(outside)}")
    in_planes = planes.from_mask(codes)
    stored = {
        "labels": in_planes,
        "atlas": pack(stack_neighbours_at(atlas.volumes, planes.heights)),
    }
    if maps is not None and told is not None:
        stored["tissue"] = fitted(told, at_heights(maps, planes.heights), in_planes)
    with show(len(in_planes), "slices") as shown:
        synthesis = synthesize_all(model, stored, seed=seed, tell=shown.update)
    images = model.dataset.restore(None, synthesis.images)
    images[in_planes == BACKGROUND] = 0
    brain = codes != BACKGROUND
    on_mask, confidence = _on_mask(planes, images, brain, synthesis.confidence, show)
    return SynthesizedVolume(
        on_mask,
        confidence,
        codes,
        mask.affine,
        model.dataset.sequences,
        lesion,
        outside,
        edit_record=edit_record,
        told=_record(model, told, seed),
    )


def _atlas_and_maps(
    model: Model, mask: Volume, atlas: AtlasSpace | None, told: Told | None
) -> tuple[AtlasSpace, np.ndarray | None]:
    """The atlas with the brain of an anatomy, and the anatomy's tissue maps.

    Args:
      model: a trained one.
      mask: in the atlas's space.
      atlas: None for the atlas of the training data.
      told: as `chosen_anatomy` returns it.
    """
    if atlas is None and isinstance(told, TissueMaps):
        atlas = AtlasSpace.of(model.dataset)  # the maps have no further slices
    elif atlas is None:
        atlas = atlas_for(mask, model.dataset)
    if told is None:
        return atlas, None
    if isinstance(told, str):
        average = atlas.tissue
        if average is None:
            average = maps_on_grid(told, model.dataset, atlas.grid)
        return atlas, average
    maps = maps_on_grid(told, model.dataset, atlas.grid)
    return dataclasses.replace(atlas, brain=brain_of_tissue(maps)), maps


def _record(model: Model, anatomy: Told | None, seed: int) -> dict[str, Any]:
    """The anatomy and the noise that a model was told; see `SynthesizedVolume`."""
    record: dict[str, Any] = {}
    if anatomy is not None:
        record["anatomy"] = anatomy_record(anatomy)
    if model.method.noise:
        record["noise_seed"] = seed
    return record


def _on_mask(
    planes: Planes,
    images: np.ndarray,
    brain: np.ndarray,
    confidence: np.ndarray | None,
    show: Show,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images of the brain's voxels of a mask, and confidence at all its voxels."""
    parts: list[tuple[np.ndarray, np.ndarray | None]] = [(images, brain)]
    if confidence is not None:
        parts.append((confidence.repeat(2, 1).repeat(2, 2), None))
    with show(len(parts) * planes.shape[0], "layers of the mask") as shown:
        moved = [planes.to_mask(part, shown.update, where=at) for part, at in parts]
    return moved[0], moved[1] if len(moved) > 1 else None


def _check_memory(mask: Volume, sequences: int) -> None:
    """Refuses a mask whose images and confidence maps do not fit into memory."""
    # A few further volumes are needed to make and to write the maps.
    needed, free = 4.0 * mask.data.size * (2 * sequences + 3), free_memory()
    if needed > free:
        voxels = " x ".join(map(str, mask.data.shape))
        raise InputError(
            f"{mask.source}: {voxels} voxels need {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free, expected fewer voxels"
        )
