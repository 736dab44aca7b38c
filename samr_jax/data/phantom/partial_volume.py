"""Partial volume: fractions of every tissue, averaged over each voxel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from samr_jax.data.phantom.anatomy import deep_grey, template, tissue_probabilities
from samr_jax.data.phantom.edema import edema_fraction, soaked_share
from samr_jax.data.phantom.geometry import Axes, oversampling, refine
from samr_jax.data.phantom.lesion import CORE, core_fractions, soft_step
from samr_jax.data.phantom.patient import Patient
from samr_jax.data.phantom.random_field import resample

SKULL_STRIP = 1.2
"""Millimetres of the brain's outermost rim that skull stripping removes."""


class Mixture(NamedTuple):
    """Contents of voxels.

    Attributes:
      brain: ``(Z, Y, X)`` fraction inside the skull-stripped brain.
      anatomy: ``(3, Z, Y, X)`` WM, GM, CSF probabilities, as if there were no lesion,
        with the errors of a segmentation tool.
      fractions: ``(T, Z, Y, X)`` of the tissues of `physics.TISSUES`, summing to 1.
    """

    brain: np.ndarray
    anatomy: np.ndarray
    fractions: np.ndarray


def mix(patient: Patient, axes: Axes, spacing: tuple[float, float, float]) -> Mixture:
    """Computes the contents of the voxels of a grid.

    Signals mix linearly, so the average of the fractions gives the average of the
    signal over a thick slice. Slices are computed one by one to save memory.

    Args:
      patient: anatomy and lesion.
      axes: positions of the voxels' middles.
      spacing: signed sizes of the voxels along z, y, x in mm.
    """
    parts = tuple(oversampling(size) for size in spacing)
    y, x = (
        refine(axis, size) for axis, size in zip(axes[1:], spacing[1:], strict=True)
    )
    slices = []
    for position in axes[0]:
        fine = refine(np.array([position]), spacing[0]), y, x
        slices.append([block_mean(part, parts) for part in _mix_points(patient, fine)])
    return Mixture(*(np.concatenate(part, -3) for part in zip(*slices, strict=True)))


def _mix_points(patient: Patient, axes: Axes) -> Mixture:
    """The mixture at points, without averaging."""
    skull = patient.shape.skull(axes)
    points = patient.template_positions(axes, skull)
    depth = template().sample("depth", skull)
    anatomy = tissue_probabilities(points, patient.shape.log_odds_of_fluid(axes))
    noise = patient.irregularity.on(axes)

    core = core_fractions(patient.foci, noise, axes)
    open_to_core = np.ones_like(depth)
    reached = np.asarray(sum(core.values())) > 0  # for speed: elsewhere is no core
    open_to_core[reached] = _open_to_core(
        points[:, None, None, reached], depth[reached], anatomy[2, reached]
    )
    core = {name: fraction * open_to_core for name, fraction in core.items()}
    outside_core = 1 - sum(core.values())

    travelled = resample(patient.travelled, patient.coarse, axes)
    edema = outside_core * edema_fraction(travelled, patient.reach, anatomy, noise)

    blood = patient.veins.fraction(points, depth, anatomy[2], axes)
    nuclei = deep_grey(points) * anatomy[1]
    healthy = np.stack([anatomy[0], anatomy[1] - nuclei, nuclei, anatomy[2]])
    healthy = np.concatenate([healthy * (1 - blood), blood[None]])
    healthy *= outside_core - edema
    soaked = edema * soaked_share(noise)
    lesion = np.stack([edema - soaked, soaked, *(core[name] for name in CORE)])
    fractions = np.concatenate([healthy, lesion])
    found = patient.segmentation.on(anatomy, axes)
    return Mixture(soft_step(depth - SKULL_STRIP, 1.0), found, fractions)


def _open_to_core(
    points: np.ndarray, depth: np.ndarray, fluid: np.ndarray
) -> np.ndarray:
    """Share ``(N,)`` that a core may fill: not the ventricles or the outer CSF.

    Args:
      points: ``(3, 1, 1, N)`` template positions.
      depth: ``(N,)`` millimetres to the brain's surface.
      fluid: ``(N,)`` probability of CSF.
    """
    in_ventricle = soft_step(-template().sample("ventricle", points)[0, 0], 2.0)
    at_surface = np.clip(1.5 - depth / 6, 0, 1)
    return 1 - fluid * np.maximum(in_ventricle, at_surface)


def block_mean(values: np.ndarray, parts: tuple[int, ...]) -> np.ndarray:
    """Means over blocks of `parts` along the last three axes."""
    *lead, z, y, x = values.shape
    a, b, c = parts
    blocks = values.reshape(*lead, z // a, a, y // b, b, x // c, c)
    return blocks.mean(axis=(-5, -3, -1))
