"""A virtual patient: anatomy and lesion, which do not depend on the scan."""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.data.phantom.anatomy import template, tissue_probabilities
from samr_jax.data.phantom.deformation import Shape
from samr_jax.data.phantom.edema import draw_reach, travel
from samr_jax.data.phantom.focus import Focus, content_of, mass_effect
from samr_jax.data.phantom.geometry import Axes, coarse_axes, offsets
from samr_jax.data.phantom.lesion import Irregularity, core_fractions
from samr_jax.data.phantom.random_field import resample, stream
from samr_jax.data.phantom.segmentation import SegmentationErrors
from samr_jax.data.phantom.vessels import Veins
from samr_jax.runtime.errors import InputError

FURTHER_FOCI = (0.6, 0.25, 0.15)
"""Probabilities of 0, 1 and 2 further foci, in a subject with tumor."""


@dataclasses.dataclass(frozen=True)
class Patient:
    """Anatomy and lesion, which can be sampled at any axes within the slices.

    Attributes:
      shape: the healthy shape.
      veins: the cortical veins.
      irregularity: the noise in the lesion's outlines.
      segmentation: errors of the tissue maps.
      foci: one to three.
      reach: distance in mm that edema spreads from the core.
      coarse: axes of `shift` and `travelled`.
      shift: ``(3, Z, Y, X)`` displacement in mm by ventricles and mass effect.
      travelled: ``(Z, Y, X)`` length in mm of the fluid's path from the core.
    """

    shape: Shape
    veins: Veins
    irregularity: Irregularity
    segmentation: SegmentationErrors
    foci: tuple[Focus, ...]
    reach: float
    coarse: Axes
    shift: np.ndarray
    travelled: np.ndarray

    def template_positions(self, axes: Axes, skull: np.ndarray) -> np.ndarray:
        """Template positions ``(3, Z, Y, X)`` of the axes' points.

        Args:
          axes: the patient's positions.
          skull: the result of `Shape.skull` for these axes.
        """
        points = self.shape.brain(axes, skull)
        for direction, shift in zip(points, self.shift, strict=True):
            direction += resample(shift, self.coarse, axes)
        return points


def draw_patient(seed: int, index: int, axes: Axes) -> Patient:
    """Draws a patient whose lesion crosses the slices of `axes`."""
    shape = Shape.draw(stream(seed, index, "shape"))
    irregularity = Irregularity.draw(stream(seed, index, "irregularity"))
    rng = stream(seed, index, "lesion")
    coarse = coarse_axes(axes)
    points = shape.brain(coarse)
    depth = template().sample("depth", points)
    sites = _sites(points, depth, coarse, axes)
    foci = _draw_foci(rng, sites, coarse, content_of(index))
    shift = shape.ventricle_shift(coarse) + mass_effect(foci, depth, coarse)
    tissue = tissue_probabilities(points + shift, shape.log_odds_of_fluid(coarse))
    core = core_fractions(foci, irregularity.on(coarse), coarse)
    return Patient(
        shape=shape,
        veins=Veins.draw(stream(seed, index, "veins")),
        irregularity=irregularity,
        segmentation=SegmentationErrors.draw(stream(seed, index, "segmentation")),
        foci=foci,
        reach=draw_reach(rng),
        coarse=coarse,
        shift=shift,
        travelled=travel(np.asarray(sum(core.values())), tissue, depth),
    )


def _sites(
    points: np.ndarray, depth: np.ndarray, coarse: Axes, axes: Axes
) -> np.ndarray:
    """Weights ``(Z, Y, X)`` of the positions where a focus may start.

    A focus starts in white matter, at least 10 mm from the brain's surface and 6 mm
    from the ventricles, within the middle 70 % of the slices' height, so that they show
    it.
    """
    middle = (axes[0][0] + axes[0][-1]) / 2
    half = max(0.35 * abs(axes[0][-1] - axes[0][0]), 1.6)
    weights = template().sample("white", points) ** 2
    weights *= (depth > 10) & (template().sample("ventricle", points) > 6)
    weights[np.abs(coarse[0] - middle) > half] = 0
    if not weights.any():
        raise InputError("grid.affine: no deep white matter in the grid's slices")
    return weights


def _draw_foci(
    rng: np.random.Generator, sites: np.ndarray, coarse: Axes, content: str
) -> tuple[Focus, ...]:
    """Draws the first focus, and possibly smaller ones near it."""
    centre = _pick(rng, sites, coarse)
    to_midline = abs(float(centre[2]))  # few gliomas grow through the falx
    largest = float(np.clip(1.3 * to_midline, 10, 27))
    foci = [Focus.draw(rng, centre, content=content, largest=largest)]
    apart = np.sqrt(sum(o**2 for o in offsets(coarse, foci[0].centre)))
    apart = apart - foci[0].radius
    near = sites * ((apart > 6) & (apart < 40))
    further = rng.choice(len(FURTHER_FOCI), p=FURTHER_FOCI)
    if content == "cavity" or not near.any():
        further = 0
    for _ in range(further):
        site = _pick(rng, near, coarse)
        foci.append(Focus.draw(rng, site, content="tumor", largest=9))
    return tuple(foci)


def _pick(rng: np.random.Generator, weights: np.ndarray, coarse: Axes) -> np.ndarray:
    """Draws one of the coarse points (z, y, x in mm) with the given weights."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    chosen = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1]), side="right")
    index = np.unravel_index(min(chosen, weights.size - 1), weights.shape)
    return np.array([axis[i] for axis, i in zip(coarse, index, strict=True)])
