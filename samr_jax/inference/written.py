"""The files of a synthesis: images, confidence maps, the label map, and pictures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave

from samr_jax.data.dataset import Dataset
from samr_jax.data.lesion_slices import spread_out
from samr_jax.data.nifti import write_volume
from samr_jax.data.orientation import axial, axial_affine
from samr_jax.evaluation.drawing.figures import synthesis_sheet
from samr_jax.evaluation.drawing.sections import sections
from samr_jax.evaluation.drawing.tiles import image_tile
from samr_jax.inference.outside_training import record_of
from samr_jax.inference.volumes import SynthesizedVolume
from samr_jax.labels import BACKGROUND, LESION_LABELS, NORMAL
from samr_jax.runs.model import Model
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import new_directory, write_json

LABELS, SHEET, PROVENANCE = "labels.nii.gz", "contact_sheet.png", "provenance.json"
IMAGES = "images"
"""Name of the one file of all sequences, and of the file that says their order."""

SHEET_PLANES = 4


def write_volumes(
    volume: SynthesizedVolume,
    model: Model,
    output: Path | str,
    *,
    request: Mapping[str, Any] | None = None,
    further: Mapping[str, Any] | None = None,
    sequences: Sequence[str] | None = None,
    png: bool = False,
    one_file: bool = False,
) -> list[Path]:
    """Writes ``<sequence>.nii.gz``, ``<sequence>_confidence.nii.gz`` and a picture.

    With them go ``labels.nii.gz``, which is the label map that the images were made
    from, in our codes, ``provenance.json`` and, if the mask was edited, ``edit.json``.
    The provenance names the anatomy and the seed of the noise that the model was told,
    and the properties of the mask that are outside of the training's.
    The directory appears whole or not at all.

    Args:
      volume: the synthesis.
      model: the model that has made it.
      output: new directory.
      request: what the model was asked for, as a field of the provenance.
      further: further fields of the provenance.
      sequences: the sequences to write, by default all.
      png: whether to write a PNG of every axial slice with brain, too, as
        ``png/<sequence>_<slice>.png``.
      one_file: whether to write the sequences as one file of four dimensions,
        ``images.nii.gz``, their confidence maps as ``images_confidence.nii.gz``, and
        the order of the sequences as ``images.json``.

    Returns:
      The images, the confidence maps, the label map and the picture.

    Raises:
      InputError: `output` exists and is not empty; nothing is overwritten.
    """
    volume = _with_sequences(volume, check_sequences(sequences, model.dataset))
    images = [volume.in_own_units(name) for name in volume.sequences]
    maps = by_file(images, volume.sequences, "", one_file=one_file)
    if volume.confidence is not None:
        channels = np.moveaxis(volume.confidence, -1, 0)
        maps |= by_file(channels, volume.sequences, "_confidence", one_file=one_file)
    maps[LABELS] = volume.labels
    lesion = dataclasses.asdict(volume.lesion)
    record = {
        **provenance(model),
        **volume.told,
        "lesion": lesion,
        "outside_training": record_of(volume.outside),
        **(further or {}),
    }
    if request is not None:
        record["request"] = dict(request)
    with new_directory(output) as folder:
        # The time is spent in zlib, which several threads can do side by side.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = [
                pool.submit(write_volume, folder / file, values, volume.affine)
                for file, values in maps.items()
            ]
            for writing in done:
                writing.result()
        write_json(folder / PROVENANCE, record)
        if one_file:
            order = {"sequences": list(volume.sequences)}
            write_json(folder / f"{IMAGES}.json", order)
        if volume.edit_record is not None:
            write_json(folder / "edit.json", volume.edit_record)
        _draw_sheet(volume, model.dataset, folder / SHEET)
        if png:
            _draw_slices(volume, model.dataset, folder / "png")
    return [Path(output, file) for file in (*maps, SHEET)]


def by_file(
    channels: Iterable[np.ndarray],
    sequences: Sequence[str],
    ending: str,
    *,
    one_file: bool,
) -> dict[str, np.ndarray]:
    """The files of the values of sequences, one a sequence or one for all.

    Args:
      channels: of each sequence ``(X, Y, Z)``.
      sequences: their names.
      ending: end of the files' names before ``.nii.gz``.
      one_file: whether all sequences are one file.
    """
    if one_file:
        return {f"{IMAGES}{ending}.nii.gz": np.stack(list(channels), axis=-1)}
    return {
        f"{name}{ending}.nii.gz": channel
        for name, channel in zip(sequences, channels, strict=True)
    }


def check_sequences(
    sequences: Sequence[str] | None, dataset: Dataset
) -> tuple[str, ...]:
    """The chosen ones of a model's sequences, in the model's order.

    Args:
      sequences: names; None for all.
      dataset: the training data of the model.

    Raises:
      InputError: the model does not synthesize one of them.
    """
    known = dataset.sequences
    if sequences is None:
        return known
    if not sequences or not set(sequences) <= set(known):
        raise InputError(
            f"sequences {','.join(sequences)}, expected some of {', '.join(known)}"
        )
    return tuple(name for name in known if name in sequences)


def _with_sequences(
    volume: SynthesizedVolume, names: tuple[str, ...]
) -> SynthesizedVolume:
    """The volume with some of its sequences."""
    if names == volume.sequences:
        return volume
    chosen = [volume.sequences.index(name) for name in names]
    confidence = volume.confidence
    return dataclasses.replace(
        volume,
        images=volume.images[..., chosen],
        confidence=None if confidence is None else confidence[..., chosen],
        sequences=names,
    )


def _draw_sheet(volume: SynthesizedVolume, dataset: Dataset, path: Path) -> None:
    """Draws planes over the height of the lesion, and a coronal and a sagittal one."""
    planes = axial(volume.labels, volume.affine)
    images = _normalised(volume, dataset)
    lesion = np.isin(planes, LESION_LABELS).any()
    codes = LESION_LABELS if lesion else (NORMAL,)
    chosen = spread_out(planes, SHEET_PLANES, codes)
    affine = axial_affine(volume.affine, volume.labels.shape)
    middle = (planes.shape[2] / 2, planes.shape[1] / 2)
    heights = [float((affine @ (*middle, index, 1))[2]) for index in chosen]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist()
    _, *others = sections(planes, spacing)
    confidence = volume.confidence
    synthesis_sheet(
        planes[chosen],
        images[chosen],
        None if confidence is None else axial(confidence, volume.affine)[chosen],
        heights=heights,
        sequences=volume.sequences,
        path=path,
        simulated=dataset.simulated,
        title="Synthesized images",
        further=[(each, each.of(planes), each.of(images)) for each in others],
    )


def _draw_slices(volume: SynthesizedVolume, dataset: Dataset, folder: Path) -> None:
    """Draws every slice with brain, a voxel as a pixel, in radiological orientation."""
    folder.mkdir()
    images, planes = _normalised(volume, dataset), axial(volume.labels, volume.affine)
    for index in np.flatnonzero((planes != BACKGROUND).any(axis=(1, 2))):
        for channel, name in enumerate(volume.sequences):
            tile = image_tile(images[index, ..., channel], name, planes[index])
            low, high = tile.limits
            imsave(
                folder / f"{name}_{index:03d}.png",
                tile.image,
                vmin=low,
                vmax=high,
                cmap=colormaps.get_cmap(tile.colours).with_extremes(bad="black"),
            )


def _normalised(volume: SynthesizedVolume, dataset: Dataset) -> np.ndarray:
    """Axial slices ``(Z, H, W, S)`` in [-1, 1]."""
    images = axial(volume.images, volume.affine)
    windows = [dataset.windows[name] for name in volume.sequences]
    channels = [w.normalise(images[..., i]) for i, w in enumerate(windows)]
    return np.stack(channels, axis=-1)
