"""Simulation of a subject: anatomy and lesion, signal, and scanner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from samr_jax.data.phantom import physics
from samr_jax.data.phantom.acquisition import TEXTURE, acquire, texture
from samr_jax.data.phantom.geometry import Axes, grid_axes, within_reach
from samr_jax.data.phantom.partial_volume import mix
from samr_jax.data.phantom.patient import draw_patient
from samr_jax.data.phantom.random_field import stream
from samr_jax.data.phantom.segmentation import smoothed
from samr_jax.data.subject import Grid, Subject
from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import SEQUENCES, check_sequences

LABEL_OF_TISSUE = {
    "edema": EDEMA,
    "soaked": EDEMA,
    "enhancing": TUMOR,
    "infiltrated": TUMOR,
    "loose": TUMOR,
    "necrosis": CAVITY,
    "resection": CAVITY,
}
"""Labels of tissues in the annotation; all other tissues are normal brain."""


def simulate_subject(
    index: int,
    *,
    seed: int,
    grid: Grid,
    sequences: Sequence[str] = SEQUENCES,
    lesion_grid: Grid | None = None,
) -> Subject:
    """Simulates one subject; the same arguments give the same arrays.

    Anatomy and lesion depend on `seed`, `index` and the slices of the lesion's grid.
    They depend neither on a grid's size in plane nor on the sequences.

    Args:
      index: number of the subject, from 0.
      seed: number of the whole cohort, from 0.
      grid: axis-aligned grid in MNI space, such as `samr_jax.data.phantom.grid()`.
      sequences: any of the paper's five, in any order.
      lesion_grid: grid whose slices the lesion crosses, by default `grid`. With another
        grid, the subject of `lesion_grid` is seen in the slices of `grid`.

    Returns:
      The subject. Anatomic images are in scanner units (about 0..1000) that are the
      same for all subjects, APTw is in percent. The tissue maps show the displaced
      anatomy as if it had no lesion, with the errors of a segmentation tool.

    Raises:
      InputError: a sequence cannot be simulated, or the grid is oblique or misses the
        brain.
    """
    names = _check(sequences)
    axes, window = _in_reach(grid)
    with threadpool_limits(1):  # threads do not pay for small products
        lesion_axes, _ = _in_reach(lesion_grid or grid)
        patient = draw_patient(seed, index, lesion_axes)
        spacing = tuple(np.diag(grid.affine)[2::-1])
        brain, anatomy, fractions = mix(patient, axes, spacing)
        images = _images(fractions, names, seed, index, axes)
        anatomy = smoothed(anatomy, spacing[1:])
    inside = brain > 0.5
    arrays = (
        np.where(inside, images, 0),
        np.where(inside, _labels(fractions), BACKGROUND)[None],
        np.where(inside, anatomy / anatomy.sum(0), 0),
    )
    images, labels, tissue = (_channels_last(array, window, grid) for array in arrays)
    return Subject(f"phantom-{index:04d}", images, labels[..., 0], tissue)


def _in_reach(grid: Grid) -> tuple[Axes, tuple[slice, ...]]:
    """The axes of the part of a grid that can hold brain, and this part."""
    axes = grid_axes(grid)
    window = within_reach(axes)
    z, y, x = (axis[part] for axis, part in zip(axes, window, strict=True))
    return (z, y, x), window


def _check(sequences: Sequence[str]) -> tuple[str, ...]:
    names = check_sequences(sequences, source="sequences")
    unknown = [name for name in names if name not in physics.SIMULATED]
    if unknown:
        raise InputError(
            f"sequences: {unknown[0]!r} cannot be simulated, expected some of "
            f"{', '.join(physics.SIMULATED)}"
        )
    return names


def _images(
    fractions: np.ndarray, names: tuple[str, ...], seed: int, index: int, axes: Axes
) -> np.ndarray:
    """Images ``(S, Z, Y, X)``: mean signals of voxels, with texture and noise."""
    tissues = physics.vary(stream(seed, index, "tissues"))
    grain = texture(stream(seed, index, "texture"), axes)
    grain *= 1 - fractions[list(tissues).index("fluid")]
    images = []
    for name in names:  # not in one product: BLAS would round differently
        (signals,) = physics.signal_matrix(tissues, [name]).T
        signal = np.tensordot(signals, fractions, axes=1)
        signal *= 1 + TEXTURE.get(name, 0.0) * grain
        images.append(acquire(signal, name, stream(seed, index, name), axes))
    return np.stack(images)


def _labels(fractions: np.ndarray) -> np.ndarray:
    """The label with the largest share of each voxel, ``(Z, Y, X)`` uint8."""
    share = np.zeros((TUMOR + 1, *fractions.shape[1:]), np.float32)
    for name, fraction in zip(physics.TISSUES, fractions, strict=True):
        share[LABEL_OF_TISSUE.get(name, NORMAL)] += fraction
    return share.argmax(0).astype(np.uint8)


def _channels_last(
    values: np.ndarray, window: tuple[slice, ...], grid: Grid
) -> np.ndarray:
    """Puts an array ``(C, ...)`` of the window into the grid, ``(Z, H, W, C)``."""
    whole = np.zeros((grid.slices, *grid.size, len(values)), values.dtype)
    whole[window] = np.moveaxis(values, 0, -1)
    return whole
