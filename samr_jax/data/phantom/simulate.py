"""From an index to a subject: anatomy, lesion, signal, scanner."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from samr_jax.data.phantom import acquisition, edema, physics
from samr_jax.data.phantom.anatomy import deep_grey, template, tissue_probabilities
from samr_jax.data.phantom.deformation import Shape, displaced
from samr_jax.data.phantom.field import Field, resample
from samr_jax.data.phantom.geometry import (
    Axes,
    coarse_axes,
    grid_axes,
    inside_reach,
    oversampling,
    refine,
)
from samr_jax.data.phantom.lesion import (
    Focus,
    Growth,
    core_fractions,
    draw_focus,
    mass_effect,
    soft_step,
)
from samr_jax.data.phantom.vessels import Veins
from samr_jax.data.subject import Grid, Subject
from samr_jax.errors import InputError
from samr_jax.labels import SEQUENCES, check_sequences


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose, so that none disturbs another."""
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])


@dataclasses.dataclass(frozen=True)
class Plan:
    shape: Shape
    growth: Growth
    foci: tuple[Focus, ...]
    coarse: Axes
    shift: np.ndarray
    travel: np.ndarray


def place(rng, shape: Shape, slab: tuple[float, float], coarse: Axes) -> np.ndarray:
    points = shape.to_template(coarse)
    maps = template()
    z = coarse[0]
    middle, half = sum(slab) / 2, (slab[1] - slab[0]) / 2
    weights = maps.sample("white", points) ** 2
    weights *= (maps.sample("depth", points) > 10) & (
        maps.sample("ventricle", points) > 6
    )
    weights *= (np.abs(z - middle) <= max(0.7 * half, 1.6))[:, None, None]
    return points, weights


def pick(rng, weights, coarse):
    flat = np.cumsum(weights.ravel(), dtype=np.float64)
    where = np.searchsorted(flat, rng.uniform(0, flat[-1]))
    index = np.unravel_index(min(where, weights.size - 1), weights.shape)
    return np.array([axis[i] for axis, i in zip(coarse, index, strict=True)])


def plan_subject(seed, index, axes: Axes) -> Plan:
    coarse = coarse_axes(axes)
    shape = Shape.draw(stream(seed, index, "shape"))
    growth = Growth.draw(stream(seed, index, "growth"))
    rng = stream(seed, index, "foci")
    slab = min(axes[0][0], axes[0][-1]), max(axes[0][0], axes[0][-1])
    points, weights = place(rng, shape, slab, coarse)
    if not weights.any():
        raise InputError("grid.affine: its slices hold no white matter")
    depth = template().sample("depth", points)
    foci = [draw_focus(rng, pick(rng, weights, coarse), 27.0)]
    z, y, x = np.meshgrid(*coarse, indexing="ij", sparse=True)
    for _ in range(rng.choice(3, p=(0.7, 0.22, 0.08))):
        c = foci[0].centre
        d = np.sqrt((z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2)
        near = weights * (d > foci[0].radius + 6) * (d < foci[0].radius + 40)
        if near.any():
            foci.append(draw_focus(rng, pick(rng, near, coarse), 9.0))
    shift = shape.ventricle_shift(coarse) + mass_effect(foci, depth, coarse)
    points = points + shift
    tissue = tissue_probabilities(points, shape.log_odds_of_fluid(coarse))
    core = core_fractions(foci, growth, growth.noise(coarse), coarse)
    travel = edema.travel(
        sum(core.values()), tissue, template().sample("brain", points)
    )
    return Plan(shape, growth, tuple(foci), coarse, shift, travel)


def fractions(plan: Plan, seed, index, axes: Axes):
    points = displaced(plan.shape.to_template(axes), plan.shift, plan.coarse, axes)
    brain = template().sample("brain", points)
    tissue = tissue_probabilities(points, plan.shape.log_odds_of_fluid(axes))
    depth = template().sample("depth", points)
    noise = plan.growth.noise(axes)
    core = core_fractions(plan.foci, plan.growth, noise, axes)
    ventricle = soft_step(-template().sample("ventricle", points), 2.0) * tissue[2]
    allowed = 1 - ventricle
    core = {k: v * allowed for k, v in core.items()}
    travel = resample(plan.travel, plan.coarse, axes)
    reach = plan.growth.reach * (1 + 0.3 * noise["lobes"]) + 2 * noise["bumps"]
    swell = soft_step(reach - travel, 3.0) * (tissue[0] + 0.35 * tissue[1])
    swell *= np.clip(0.85 + 0.12 * noise["bumps"], 0, 1)
    free = 1 - sum(core.values())
    ed = free * np.clip(swell, 0, 1)
    normal = free - ed
    vein = Veins(stream(seed, index, "veins")).fractions(points, depth, tissue[2], axes)
    nuclei = tissue[1] * deep_grey(points)
    healthy = {
        "white": tissue[0] * (1 - vein),
        "grey": (tissue[1] - nuclei) * (1 - vein),
        "nuclei": nuclei * (1 - vein),
        "fluid": tissue[2] * (1 - vein),
        "vessel": vein,
    }
    mix = {k: v * normal for k, v in healthy.items()}
    mix["edema"] = ed
    mix.update(core)
    return brain, tissue, np.stack([mix[k] for k in physics.TISSUES])


def simulate_subject(
    index: int, *, seed: int, grid: Grid, sequences: Sequence[str] = SEQUENCES
) -> Subject:
    names = check_sequences(sequences, source="sequences")
    unknown = [n for n in names if n not in SEQUENCES]
    if unknown:
        raise InputError(
            f"sequences: {unknown[0]!r} cannot be simulated, expected some of "
            f"{', '.join(SEQUENCES)}"
        )
    axes = grid_axes(grid)
    window = tuple(inside_reach(a, i) for i, a in enumerate(axes))
    cropped = tuple(a[w] for a, w in zip(axes, window, strict=True))
    dx, dy, dz = np.diag(grid.affine)[:3]
    fine = tuple(refine(a, s) for a, s in zip(cropped, (dz, dy, dx), strict=True))
    parts = tuple(oversampling(abs(s)) for s in (dz, dy, dx))
    plan = plan_subject(seed, index, cropped)
    brain, tissue, mix = fractions(plan, seed, index, fine)
    inside = acquisition.average(brain, parts) > 0.5
    mix = acquisition.average(mix, parts)
    tissue = acquisition.average(tissue, parts)
    tissue /= tissue.sum(0)
    t = dict(zip(physics.TISSUES, mix, strict=True))
    share = np.stack(
        [
            1
            - sum(
                t[k]
                for k in ("edema", "enhancing", "infiltrated", "necrosis", "resection")
            ),
            t["edema"],
            t["necrosis"] + t["resection"],
            t["enhancing"] + t["infiltrated"],
        ]
    )
    labels = np.where(inside, 1 + share.argmax(0), 0).astype(np.uint8)
    table = physics.vary(stream(seed, index, "tissues"))
    matrix = physics.signal_matrix(table, names)
    texture = 1 + 0.025 * Field.draw(stream(seed, index, "texture"), 2.2).on(cropped)
    images = np.zeros((*labels.shape, len(names)), np.float32)
    for c, name in enumerate(names):
        s = np.tensordot(matrix[:, c], mix, 1) * texture
        images[..., c] = np.where(
            inside, acquisition.acquire(s, name, stream(seed, index, name), cropped), 0
        )

    def embed(v):
        out = np.zeros((grid.slices, *grid.size, *v.shape[3:]), v.dtype)
        out[window] = v
        return out

    tis = np.where(inside[..., None], np.moveaxis(tissue, 0, -1), 0).astype(np.float32)
    return Subject(f"phantom-{index:04d}", embed(images), embed(labels), embed(tis))
