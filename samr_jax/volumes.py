"""Synthesis of whole volumes: a lesion mask in NIfTI in, images on its grid out.

The networks see axial slices on the atlas's in-plane grid. A mask of any other grid is
cut into planes at its own heights, so that thin slices stay thin; the atlas is
interpolated to those heights, and what is synthesized returns to the mask's voxels.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.dataset import Dataset
from samr_jax.data.nifti import Volume, check_same_grid, read_volume, write_volume
from samr_jax.data.subject import Grid
from samr_jax.data.window import pack
from samr_jax.errors import InputError
from samr_jax.evaluation.figures import synthesis_sheet
from samr_jax.inference import Model, padded_batches
from samr_jax.labels import (
    BACKGROUND,
    LESION_LABELS,
    NORMAL,
    mark_normal_brain,
    preset,
    remap,
)

BATCH = 8
MIN_LESION_INSIDE = 0.8
"""Share of the lesion's voxels that must lie where the atlas has brain."""

SHEET_PLANES = 4


@dataclasses.dataclass(frozen=True)
class AtlasSpace:
    """An atlas and the grid that it is on.

    Attributes:
      grid: its slices.
      volumes: ``(Z, H, W, S)`` network intensity in [-1, 1].
      brain: boolean ``(Z, H, W)``.
    """

    grid: Grid
    volumes: np.ndarray
    brain: np.ndarray

    @staticmethod
    def of(dataset: Dataset) -> AtlasSpace:
        return AtlasSpace(dataset.grid, dataset.atlas, dataset.brain)


@dataclasses.dataclass(frozen=True)
class SynthesizedVolume:
    """What was synthesized for a mask volume, on its own grid.

    Attributes:
      images: ``(X, Y, Z, S)`` float32 in dataset units, 0 outside the brain.
      confidence: ``(X, Y, Z, S)`` in (0, 1), or None for a method without.
      labels: ``(X, Y, Z)`` uint8: the mask in our codes, normal brain marked.
      affine: the mask's.
      sequences: names along the last axis.
    """

    images: np.ndarray
    confidence: np.ndarray | None
    labels: np.ndarray
    affine: np.ndarray
    sequences: tuple[str, ...]


def read_atlas(directory: Path | str, dataset: Dataset) -> AtlasSpace:
    """Reads a user's atlas: one NIfTI a sequence, all on one grid.

    Args:
      directory: holds ``<sequence>.nii.gz`` in dataset units, and optionally
        ``brain.nii.gz``; without it the brain is where any sequence is not 0. A
        prepared dataset is one, too.
      dataset: says which sequences are needed, and their windows.

    Raises:
      InputError: a sequence is missing or on another grid.
    """
    directory = Path(directory)
    if (directory / "atlas").is_dir():
        directory = directory / "atlas"
    names = list(dataset.sequences)
    if (directory / "brain.nii.gz").exists():
        names.append("brain")
    volumes = {name: read_volume(directory / f"{name}.nii.gz") for name in names}
    check_same_grid(volumes)
    affine = next(iter(volumes.values())).affine
    arrays = {name: _axial(v.data, affine) for name, v in volumes.items()}
    images = np.stack([arrays[name] for name in dataset.sequences], axis=-1)
    brain = arrays["brain"] >= 0.5 if "brain" in arrays else (images != 0).any(axis=-1)
    turned = _axial_affine(affine, next(iter(volumes.values())).data.shape)
    grid = Grid(brain.shape[1:], len(brain), turned)
    return AtlasSpace(grid, dataset.normalise(None, images), brain)


def synthesize_volume(
    model: Model,
    mask: Volume,
    *,
    labels: str = "samr",
    atlas: AtlasSpace | None = None,
) -> SynthesizedVolume:
    """Synthesizes every axial plane of a mask.

    Args:
      model: a trained one.
      mask: label map in RAS+ millimetres of the atlas's space.
      labels: preset of the mask's codes, see `samr_jax.labels.PRESETS`. Where it has
        no normal brain, the atlas's brain is taken.
      atlas: by default that of the model's training data.

    Raises:
      InputError: unknown label values, no lesion and no brain, or a lesion that lies
        outside the atlas's brain.
    """
    atlas = AtlasSpace.of(model.dataset) if atlas is None else atlas
    codes = remap(mask.data, preset(labels), source=mask.source)
    planes = _Planes.through(mask.affine, codes.shape, atlas.grid)
    brain = planes.interpolate(atlas.brain.astype(np.float32)) >= 0.5
    in_planes = planes.from_mask(codes)
    _check_lesion(codes, in_planes, brain, mask.source)
    if not np.any(codes == NORMAL):
        in_planes = mark_normal_brain(in_planes, brain)
    stored = {
        "labels": in_planes,
        "atlas": pack(stack_neighbours_at(atlas.volumes, planes.heights)),
    }
    images, confidence = _run(model, stored)
    images = model.dataset.restore(None, images)
    images[in_planes == BACKGROUND] = 0
    if not np.any(codes == NORMAL):
        around = planes.to_mask(brain.astype(np.float32)[..., None])[..., 0] >= 0.5
        codes = mark_normal_brain(codes, around)
    outside = codes == BACKGROUND
    on_mask = planes.to_mask(images)
    on_mask[outside] = 0
    if confidence is not None:
        confidence = planes.to_mask(confidence)
    return SynthesizedVolume(
        on_mask, confidence, codes, mask.affine, model.dataset.sequences
    )


def stack_neighbours_at(volume: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """`stack_neighbours` at fractional slice indices: ``(P, H, W, 3 S)``."""
    if np.array_equal(heights, np.arange(len(volume))):
        return stack_neighbours(volume)
    channels = [_at_heights(volume, heights + offset) for offset in (-1, 0, 1)]
    stacked = np.stack(channels, axis=-1)
    return stacked.reshape(*stacked.shape[:3], -1)


@dataclasses.dataclass(frozen=True)
class _Planes:
    """Axial planes on an atlas's in-plane grid, at the heights of a mask's slices.

    Attributes:
      grid: the atlas's.
      heights: slice index in the atlas of each plane, fractional, evenly spaced.
      to_atlas: affine from the mask's voxels to atlas indices (column, row, slice).
      shape: of the mask.
    """

    grid: Grid
    heights: np.ndarray
    to_atlas: np.ndarray
    shape: tuple[int, int, int]

    @staticmethod
    def through(affine: np.ndarray, shape: tuple[int, ...], grid: Grid) -> _Planes:
        to_atlas = np.linalg.inv(grid.affine) @ affine
        corners = np.stack(
            np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), axis=-1
        ).reshape(-1, 3)
        slices = (corners @ to_atlas[:3, :3].T + to_atlas[:3, 3])[:, 2]
        spacing = np.abs(to_atlas[2, :3]).max()
        first = slices.min()
        count = round((slices.max() - first) / spacing) + 1
        heights = np.round(first + spacing * np.arange(count), 6)
        inside = (heights >= -0.5) & (heights <= grid.slices - 0.5)
        if not inside.any():
            raise InputError(
                "the mask's slices lie outside the atlas's, expected the same space "
                "(check the affine)"
            )
        return _Planes(grid, heights[inside], to_atlas, tuple(shape))

    def interpolate(self, volume: np.ndarray) -> np.ndarray:
        """A volume ``(Z, H, W)`` of the atlas at the planes: ``(P, H, W)``."""
        return _at_heights(volume, self.heights)

    def from_mask(self, codes: np.ndarray) -> np.ndarray:
        """The mask's labels in the planes ``(P, H, W)``, by nearest neighbour."""
        height, width = self.grid.size
        rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        inverse = np.linalg.inv(self.to_atlas)
        out = np.zeros((len(self.heights), height, width), np.uint8)
        for plane, level in enumerate(self.heights):
            points = np.stack([columns, rows, np.full_like(rows, level, float)])
            voxels = (
                np.tensordot(inverse[:3, :3], points, 1) + inverse[:3, 3, None, None]
            )
            out[plane] = ndimage.map_coordinates(codes, voxels, order=0)
        return out

    def to_mask(self, values: np.ndarray) -> np.ndarray:
        """Values of the planes ``(P, H, W, C)`` at the mask's voxels, linear."""
        step = self.heights[1] - self.heights[0] if len(self.heights) > 1 else 1.0
        out = np.zeros((*self.shape, values.shape[-1]), np.float32)
        y, z = np.meshgrid(*map(np.arange, self.shape[1:]), indexing="ij")
        for x in range(self.shape[0]):
            voxels = np.stack([np.full_like(y, x), y, z])
            column, row, level = (
                np.tensordot(self.to_atlas[:3, :3], voxels, 1)
                + self.to_atlas[:3, 3, None, None]
            )
            plane = np.round((level - self.heights[0]) / step, 4)
            points = np.stack([plane, np.round(row, 4), np.round(column, 4)])
            for channel in range(values.shape[-1]):
                out[x, ..., channel] = ndimage.map_coordinates(
                    values[..., channel], points, order=1
                )
        return out


def _at_heights(volume: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Linear interpolation between slices; the end slices repeat."""
    heights = np.clip(heights, 0, len(volume) - 1)
    below = np.floor(heights).astype(int)
    above = np.minimum(below + 1, len(volume) - 1)
    share = (heights - below).reshape(-1, *[1] * (volume.ndim - 1))
    return ((1 - share) * volume[below] + share * volume[above]).astype(np.float32)


def _run(
    model: Model, stored: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images ``(P, H, W, S)`` and confidence at full size, batch by batch."""
    images, confidence = [], []
    for batch, count in padded_batches(stored, BATCH):
        synthesis = model.synthesize(batch)
        images.append(synthesis.images[:count])
        if synthesis.confidence is not None:
            confidence.append(synthesis.confidence[:count].repeat(2, 1).repeat(2, 2))
    return np.concatenate(images), np.concatenate(confidence) if confidence else None


def _check_lesion(
    codes: np.ndarray, in_planes: np.ndarray, brain: np.ndarray, source: str
) -> None:
    lesion = np.isin(in_planes, LESION_LABELS)
    if not np.isin(codes, (NORMAL, *LESION_LABELS)).any():
        raise InputError(f"{source}: every label is background, expected a lesion")
    if np.isin(codes, LESION_LABELS).any() and not lesion.any():
        raise InputError(
            f"{source}: the lesion lies outside the atlas's slices, expected the same "
            "space"
        )
    if np.any(codes == NORMAL) or not lesion.any():
        return
    inside = np.count_nonzero(lesion & brain) / np.count_nonzero(lesion)
    if inside < MIN_LESION_INSIDE:
        raise InputError(
            f"{source}: {100 * inside:.0f} % of the lesion lies in the atlas's brain, "
            f"expected at least {100 * MIN_LESION_INSIDE:.0f} %; is the mask in the "
            "atlas's space?"
        )


def write_volumes(
    volume: SynthesizedVolume, model: Model, output: Path | str
) -> list[Path]:
    """Writes ``<sequence>.nii.gz``, ``<sequence>_confidence.nii.gz`` and a picture.

    Returns:
      The files.

    Raises:
      InputError: `output` exists and is not empty; nothing is overwritten.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: exists already, expected a new directory")
    files = []
    for channel, name in enumerate(volume.sequences):
        maps = {f"{name}.nii.gz": volume.images}
        if volume.confidence is not None:
            maps[f"{name}_confidence.nii.gz"] = volume.confidence
        for file, values in maps.items():
            write_volume(output / file, values[..., channel], volume.affine)
            files.append(output / file)
    sheet = output / "contact_sheet.png"
    _draw_sheet(volume, model.dataset, sheet)
    return [*files, sheet]


def _draw_sheet(volume: SynthesizedVolume, dataset: Dataset, path: Path) -> None:
    """A few planes with most lesion, shown in the radiological way."""
    planes = _axial(volume.labels, volume.affine)
    sizes = np.isin(planes, LESION_LABELS).sum(axis=(1, 2))
    if not sizes.any():
        sizes = (planes != BACKGROUND).sum(axis=(1, 2))
    chosen = np.sort(np.argsort(sizes)[::-1][:SHEET_PLANES])
    confidence = volume.confidence
    synthesis_sheet(
        planes[chosen],
        dataset.normalise(None, _axial(volume.images, volume.affine)[chosen]),
        None if confidence is None else _axial(confidence, volume.affine)[chosen],
        sequences=volume.sequences,
        path=path,
        simulated=dataset.simulated,
        title="Synthesized images",
    )


def _axial(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """``(X, Y, Z, ...)`` of any orientation to ``(slice, row, column, ...)``."""
    turned = nib.orientations.apply_orientation(values, _turn(affine))
    return np.swapaxes(turned, 0, 2)


def _axial_affine(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The affine from (column, row, slice) after `_axial`."""
    return affine @ nib.orientations.inv_ornt_aff(_turn(affine), shape)


def _turn(affine: np.ndarray) -> np.ndarray:
    """Axis flips and swaps that bring voxels to left, posterior, superior."""
    return nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt("LPS")
    )
