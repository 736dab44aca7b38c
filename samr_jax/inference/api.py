"""`samr_jax.synthesize`: arrays in, arrays out."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from samr_jax.config import check_size
from samr_jax.data.atlas import brain_of
from samr_jax.data.likely_preset import likely_preset, preset_warning
from samr_jax.data.tissue import brain_of_tissue
from samr_jax.inference.anatomy import (
    Anatomy,
    chosen_anatomy,
    fitted,
    maps_of_slices,
)
from samr_jax.inference.outside_training import compare_slices, warning_of
from samr_jax.inference.placement import with_brain
from samr_jax.labels import (
    ATLAS_NEIGHBOURS,
    LABELS,
    NORMAL,
    preset,
    remap,
)
from samr_jax.pretrained import load_pretrained
from samr_jax.runs.batched import BATCH_SIZE, synthesize_all
from samr_jax.runs.model import Model, load_model
from samr_jax.runtime.errors import InputError

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SynthesizedImages:
    """The result of `synthesize`. The leading axes are the mask's.

    Attributes:
      images: ``[..., H, W, S]`` float32 in [-1, 1].
      confidence: ``[..., H / 2, W / 2, S]`` in (0, 1), or None for a method without.
      intermediate: same shape in [-1, 1], or None.
      sequences: names along the last axis.
    """

    images: np.ndarray
    confidence: np.ndarray | None
    intermediate: np.ndarray | None
    sequences: tuple[str, ...]


def synthesize(
    mask: np.ndarray,
    atlas: np.ndarray,
    *,
    checkpoint: str | Path | Model | None = None,
    labels: str | Mapping[int, int] = "samr",
    anatomy: Anatomy | None = None,
    seed: int = 0,
) -> SynthesizedImages:
    """Synthesizes all MR sequences of one slice or many.

    Args:
      mask: label map of whole numbers, ``[H, W]`` or ``[N, H, W]``, or one-hot with a
        last axis of 5. If no pixel is normal brain, as in BraTS, normal brain is put
        where the atlas has brain.
      atlas: ``[H, W, 3 S]``, used for all slices, or ``[N, H, W, 3 S]``, in [-1, 1]:
        for each sequence the group average below, at and above the slice.
      checkpoint: work directory of a trained run, or a loaded model; by default the
        packaged weights, which were trained on simulated brains alone.
      labels: preset or map of the codes of a label map, see
        `samr_jax.labels.PRESETS`.
      anatomy: the brain that the lesion is put into, for a model that is told one: the
        seed of a simulated brain (0 by default), ``"average"`` for the average of the
        training subjects, or tissue maps (WM, GM, CSF) ``[..., H, W, 3]`` in [0, 1]. It
        is fitted to the mask's brain; a mask without normal brain takes its brain from
        the anatomy. The average is used as it is.
      seed: of the noise, for a model that sees noise. Each seed gives other images of
        what mask, atlas and anatomy leave open.

    Returns:
      Images, confidence maps and intermediate images. A lesion that is outside of what
      the model was trained with, by size, number or place, is told in the log.

    Raises:
      InputError: the shape, type or values of an array are not as above, or the mask is
        empty, or its lesion lies outside the brain.

    Example:
      >>> mask, atlas = samr_jax.example()
      >>> samr_jax.synthesize(mask, atlas).images.shape
      (256, 256, 5)
    """
    model = model_of(checkpoint)
    codes = _label_map(mask, labels)
    stacked = codes if codes.ndim == 3 else codes[None]
    sequences = model.dataset.sequences
    atlas = _atlas(atlas, stacked.shape, len(sequences))
    check_size(stacked.shape[1:], model.method.downsamplings, source="mask")
    told, maps = chosen_anatomy(model, anatomy), None
    if told is not None:
        maps = maps_of_slices(told, model.dataset, atlas)
    if NORMAL not in stacked:
        if maps is not None and not isinstance(told, str):
            brain = brain_of_tissue(maps)
        else:
            brain = brain_of(atlas, sequences)
        stacked = with_brain(stacked, brain, source="mask")
    stored = {"labels": stacked, "atlas": atlas}
    if maps is not None and told is not None:
        stored["tissue"] = fitted(told, maps, stacked)
    if outside := warning_of(compare_slices(stacked, model.dataset)):
        _log.warning("warning: mask: %s", outside)
    size = 1 if len(stacked) == 1 else BATCH_SIZE
    synthesis = synthesize_all(model, stored, batch_size=size, seed=seed)
    if codes.ndim == 2:
        synthesis = jax.tree.map(lambda array: array[0], synthesis)
    return SynthesizedImages(
        synthesis.images, synthesis.confidence, synthesis.intermediate, sequences
    )


def model_of(checkpoint: str | Path | Model | None) -> Model:
    """The model of a run's work directory; None for the packaged weights."""
    if isinstance(checkpoint, Model):
        return checkpoint
    return load_pretrained() if checkpoint is None else _load(str(checkpoint))


@functools.lru_cache(maxsize=2)
def _load(run: str) -> Model:
    return load_model(run)


def _label_map(mask: np.ndarray, labels: str | Mapping[int, int]) -> np.ndarray:
    """uint8 codes ``[H, W]`` or ``[N, H, W]``."""
    mask = np.asarray(mask)
    if mask.ndim in (3, 4) and mask.shape[-1] == len(LABELS):
        hot = np.isclose(mask, 1)
        if not (np.isclose(mask, 0) | hot).all() or not (hot.sum(-1) == 1).all():
            raise InputError(
                "mask: last axis of 5 that is not one-hot, expected a single 1 a pixel"
            )
        return mask.argmax(axis=-1).astype(np.uint8)
    if mask.ndim not in (2, 3) or 0 in mask.shape:
        raise InputError(
            f"mask: shape {mask.shape}, expected [H, W], [N, H, W] or one-hot with a "
            f"last axis of {len(LABELS)}"
        )
    if mask.dtype.kind not in "iubf":
        raise InputError(f"mask: type {mask.dtype}, expected whole numbers")
    mapping = preset(labels) if isinstance(labels, str) else labels
    codes = remap(mask, mapping, source="mask")
    if isinstance(labels, str) and (other := likely_preset(mask, labels)):
        _log.warning("warning: mask: %s", preset_warning(other, labels))
    return codes


def _atlas(atlas: np.ndarray, shape: tuple[int, ...], sequences: int) -> np.ndarray:
    """float32 ``[N, H, W, 3 S]``."""
    atlas = np.asarray(atlas, np.float32)
    expected = (*shape[1:], ATLAS_NEIGHBOURS * sequences)
    if atlas.shape == expected:
        atlas = np.broadcast_to(atlas, (shape[0], *expected))
    if atlas.shape != (shape[0], *expected):
        raise InputError(
            f"atlas: shape {atlas.shape}, expected {expected} for mask and model"
        )
    if not np.isfinite(atlas).all() or np.abs(atlas).max() > 1 + 1e-3:
        raise InputError("atlas: values outside [-1, 1], expected network intensity")
    return atlas
