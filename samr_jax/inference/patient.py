"""Synthesis for one patient, in the space and units of the patient's own scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.nifti import Volume, read_geometry, same_grid
from samr_jax.inference.native_space import Native, find_native
from samr_jax.inference.placement import MIN_LESION_INSIDE, LesionCount
from samr_jax.inference.volumes import (
    SynthesizedVolume,
    Warn,
    log_warning,
    synthesize_volume,
)
from samr_jax.labels import BACKGROUND, LESION_LABELS
from samr_jax.runs.model import Model
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class PlacedMask:
    """A mask and the patient's scan on whose voxels its images are wanted.

    Attributes:
      mask: label map of our codes, in the space of the training data.
      native: the scan's space and units.
      drawn_on_scan: whether the mask has the scan's own voxels.
    """

    mask: Volume
    native: Native
    drawn_on_scan: bool

    @staticmethod
    def of(mask: Volume, native: Native, *, drawn_on_scan: bool) -> PlacedMask:
        """Places a mask that lies on the scan, or in the training data's space."""
        if drawn_on_scan:
            moved = np.linalg.inv(native.from_dataset) @ mask.affine
            mask = dataclasses.replace(mask, affine=moved)
        return PlacedMask(mask, native, drawn_on_scan)

    def synthesize(self, model: Model, **options) -> SynthesizedVolume:
        """Synthesizes the mask on the voxels of the scan.

        Args:
          model: a trained one.
          **options: options of `samr_jax.inference.volumes.synthesize_volume`.

        Raises:
          InputError: the lesion lies outside the scan; also what `synthesize_volume`
            raises.
        """
        volume = synthesize_volume(model, self.mask, **options)
        if self.drawn_on_scan:
            volume = dataclasses.replace(volume, affine=self.native.affine)
        else:
            warn = options.get("warn", log_warning)
            volume = _on_scan(volume, self.native, warn)
        return dataclasses.replace(volume, scales=self.native.scales)


def place_mask(
    model: Model,
    mask: Volume,
    reference: Sequence[str],
    *,
    prepared: Path | None = None,
    log: Callable[[str], None] = print,
) -> PlacedMask:
    """Finds the place of a mask and of a patient's scan in the training data's space.

    A mask on the scan's own voxels was drawn on the patient. It is placed in the space
    of the training data by a change of its affine, so that it is never resampled.
    Any other mask lies in the space of the training data already, and the images that
    are synthesized there are interpolated at the scan's voxels.

    Args:
      model: a trained one.
      mask: label map of our codes.
      reference: items ``SCAN`` or ``SEQUENCE=SCAN``; the first is the scan whose voxels
        are wanted. A named scan, on the same voxels, gives its sequence the unit. A
        scan that the model was trained with gives all sequences their units.
      prepared: directory of the dataset that the model was trained with, which holds
        the transforms of its patients, if it still exists.
      log: receives lines for the user.

    Raises:
      InputError: a scan cannot be used.
    """
    path, scans = parse_reference(reference, model.dataset.sequences)
    drawn_on_scan = same_grid(mask, _grid_of(path))
    lesion = None
    if drawn_on_scan:
        lesion = np.isin(mask.data, LESION_LABELS)
    native = find_native(path, scans, model.dataset, prepared=prepared, lesion=lesion)
    log(_place_and_units(native, model.dataset.sequences))
    return PlacedMask.of(mask, native, drawn_on_scan=drawn_on_scan)


def synthesize_for_patient(
    model: Model,
    mask: Volume,
    reference: Sequence[str],
    *,
    prepared: Path | None = None,
    log: Callable[[str], None] = print,
    **options,
) -> SynthesizedVolume:
    """Synthesizes a mask on the voxels of a patient's scan.

    The arguments are those of `place_mask`, and the options of
    `samr_jax.inference.volumes.synthesize_volume`.

    Raises:
      InputError: a scan cannot be used, or the lesion lies outside it; also what
        `synthesize_volume` raises.
    """
    placed = place_mask(model, mask, reference, prepared=prepared, log=log)
    return placed.synthesize(model, **options)


def parse_reference(
    items: Sequence[str], sequences: Sequence[str]
) -> tuple[Path, dict[str, Path]]:
    """Reads ``SCAN`` or ``SEQUENCE=SCAN`` items.

    Returns:
      The first item's scan, and the named scans by sequence.

    Raises:
      InputError: an item has another form or names an unknown sequence.
    """
    pairs = [item.rpartition("=")[::2] for item in items]
    named = {name: Path(path) for name, path in pairs if name}
    if any(not name for name, _ in pairs[1:]) or not set(named) <= set(sequences):
        raise InputError(
            f"reference {','.join(items)}, expected SCAN or SEQUENCE=SCAN,... with "
            f"SEQUENCE one of {', '.join(sequences)}"
        )
    return Path(pairs[0][1]), named


def _grid_of(path: Path) -> Volume:
    """The grid of a scan; its values are not read and are 0 here."""
    shape, affine = read_geometry(path)
    return Volume(np.broadcast_to(np.uint8(0), shape), affine, str(path))


def _place_and_units(native: Native, sequences: Sequence[str]) -> str:
    """A line on how the scan was placed, and whose units are the patient's."""
    if native.recorded:
        place = "its preparation is on record"
    elif np.array_equal(native.from_dataset, np.eye(4)):
        place = "placed by its header"
    else:
        place = "registered with the template"
    own = [name for name in sequences if name in native.scales]
    units = f"in the patient's units: {', '.join(own) or 'none'}"
    return f"{native.source}: {place}; {units}"


def _on_scan(
    volume: SynthesizedVolume, native: Native, warn: Warn = log_warning
) -> SynthesizedVolume:
    """Interpolates a synthesis of the dataset's space at the scan's voxels."""
    lesion = _lesion_in_scan(volume, native)
    if lesion.without_image > volume.lesion.without_image:
        warn(f"{native.source}: {lesion.warning}")
    brain = volume.labels != BACKGROUND

    def carry(channels: np.ndarray) -> np.ndarray:
        moved = [
            native.carry_image(channels[..., i], brain, volume.affine)
            for i in range(channels.shape[-1])
        ]
        return np.stack(moved, axis=-1)

    labels = native.carry_labels(volume.labels, volume.affine)
    images = carry(volume.images) * (labels != BACKGROUND)[..., None]
    confidence = None if volume.confidence is None else carry(volume.confidence)
    return dataclasses.replace(
        volume,
        images=images,
        confidence=confidence,
        labels=labels,
        affine=native.affine,
        lesion=lesion,
    )


def _lesion_in_scan(volume: SynthesizedVolume, native: Native) -> LesionCount:
    """Counts the lesion's voxels that lie in the slices of the atlas and in the scan.

    Raises:
      InputError: the scan does not hold the lesion, or the brain if there is no lesion.
    """
    part, what = np.isin(volume.labels, LESION_LABELS), "lesion"
    if not part.any():
        part, what = volume.labels != BACKGROUND, "brain"
    to_scan = np.linalg.inv(native.affine) @ native.from_dataset @ volume.affine
    voxels = np.argwhere(part) @ to_scan[:3, :3].T + to_scan[:3, 3]
    inside = ((voxels > -0.5) & (voxels < np.array(native.shape) - 0.5)).all(axis=1)
    if inside.mean() < MIN_LESION_INSIDE:
        raise InputError(
            f"{native.source}: {100 * inside.mean():.0f} % of the {what} lies in this "
            f"scan, expected at least {100 * MIN_LESION_INSIDE:.0f} %; is the mask on "
            "its voxels or in the space of the training data?"
        )
    if what == "brain":
        return volume.lesion
    outside = volume.lesion.without_image + int(np.count_nonzero(~inside))
    return dataclasses.replace(volume.lesion, without_image=outside)
