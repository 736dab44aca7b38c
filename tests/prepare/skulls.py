"""Simulated heads with a known truth: MNI152 deformed, in a skull, moved, biased."""

import functools

import numpy as np
from scipy import ndimage

from samr_jax.data.resample import resample_like
from samr_jax.prepare.subject.reference_brain import reference_brain
from samr_jax.prepare.subject.register import rotation

# Signal of WM, GM, CSF, skull, scalp, neck muscle and eyes in each sequence, in
# arbitrary units.
SIGNALS = {
    "T1w": (900, 650, 250, 80, 800, 600, 250),
    "Gd-T1w": (850, 640, 250, 80, 1100, 700, 250),
    "T2w": (350, 500, 1200, 60, 500, 300, 1300),
    "FLAIR": (500, 620, 120, 60, 450, 350, 150),
}
CENTRE = np.array([0.0, -18.0, 8.0])


@functools.cache
def anatomy(seed):
    """A deformed brain in a schematic head, at 2 mm.

    Returns:
      Fractions ``(7, X, Y, Z)`` of WM, GM, CSF, skull, scalp, neck muscle and eyes;
      the brain, boolean ``(X, Y, Z)``; and their affine.
    """
    template = reference_brain()
    rng = np.random.default_rng(seed)
    tissue = np.transpose(template.tissue, (3, 2, 1, 0))
    shift = [
        ndimage.gaussian_filter(rng.normal(size=tissue.shape[1:]), 6) for _ in range(3)
    ]
    shift = [2.0 * s / s.std() for s in shift]
    where = np.indices(tissue.shape[1:]) + np.array(shift)
    tissue = np.stack([ndimage.map_coordinates(t, where, order=1) for t in tissue])
    brain = tissue.sum(0)
    distance = ndimage.distance_transform_edt(brain < 0.5, sampling=2.0)
    fluid = (distance > 0) & (distance <= 4)
    skull = (distance > 4) & (distance <= 10)
    scalp = (distance > 10) & (distance <= 16)
    tissue[2] += fluid * (1 - brain)
    neck, eyes = _below_and_in_front(brain.shape, template.grid.affine)
    eyes &= distance > 4
    skull &= ~eyes
    neck &= ~eyes & (distance > 10)
    scalp &= ~eyes & ~neck
    whole = np.concatenate([tissue, [skull, scalp, neck, eyes]]).astype(np.float32)
    return whole, brain > 0.5, template.grid.affine


def _below_and_in_front(shape, affine):
    """A cylinder of neck muscle and two eyes, boolean ``(X, Y, Z)``."""
    index = np.stack(np.indices(shape), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    neck = (np.hypot(x, y + 40) < 60) & (z < -45)
    eyes = np.hypot(np.hypot(np.abs(x) - 32, y - 62), z + 36) < 12
    return neck, eyes


def motion(degrees, shift):
    """Rigid motion: rotations about x, y and z through the middle of the head, and a
    shift in millimetres."""
    turn = np.eye(4)
    for axis, angle in enumerate(degrees):
        turn = turn @ rotation(axis, np.radians(angle))
    turn[:3, 3] = CENTRE + shift - turn[:3, :3] @ CENTRE
    return turn


def bias(shape, affine, strength, seed):
    """Smooth multiplicative field; `strength` is the deviation of its logarithm."""
    rng = np.random.default_rng(seed)
    index = np.stack(np.indices(shape), axis=-1)
    world = (index @ affine[:3, :3].T + affine[:3, 3] - CENTRE) / 90
    linear = world @ rng.normal(size=3) + (world**2) @ rng.normal(size=3)
    return np.exp(strength * (linear - linear.mean()) / linear.std()).astype(np.float32)


def voxels(spacing, box=(200.0, 232.0, 200.0)):
    """Shape and affine of an acquisition centred on the middle of the head."""
    shape = tuple(np.round(np.divide(box, spacing)).astype(int))
    affine = np.diag([*spacing, 1.0]).astype(float)
    affine[:3, 3] = CENTRE - np.array(spacing) * (np.array(shape) - 1) / 2
    return shape, affine


def scan(
    sequence,
    *,
    seed=0,
    move=None,
    spacing=(2, 2, 2),
    strength=0.0,
    scale=1.0,
    **where,
):
    """One acquisition: ``(X, Y, Z)`` image and affine in its own scanner space.

    `move` takes the anatomy's millimetres to the scanner's.
    """
    tissue, _, affine = anatomy(seed)
    truth = np.tensordot(SIGNALS[sequence], tissue, axes=1)
    move = np.eye(4) if move is None else move
    shape, own = voxels(spacing, **where)
    image = resample_like(truth, affine, shape, own, transform=np.linalg.inv(move))
    image = image * bias(shape, own, strength, seed + 1)
    rng = np.random.default_rng([seed, len(sequence)])
    grain = 0.02 * SIGNALS[sequence][0] * rng.normal(size=(2, *shape))
    return (scale * np.hypot(image + grain[0], grain[1])).astype(np.float32), own


def carried(volume, shape, affine, *, move):
    """Resamples a volume from the voxels of the anatomy to those of a scan."""
    own = reference_brain().grid.affine
    return resample_like(volume, own, shape, affine, transform=np.linalg.inv(move))


def brain_on(shape, affine, *, seed=0, move=None):
    """The true brain mask on a scan's voxels."""
    move = np.eye(4) if move is None else move
    return carried(anatomy(seed)[1], shape, affine, move=move) > 0.5


def dice(first, second):
    """Overlap of two boolean arrays."""
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))
