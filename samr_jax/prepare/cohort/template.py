"""The atlas as a multivariate template of the training subjects (Avants 2010)."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.prepare.subject.ants_bridge import (
    grid_from_ants,
    grid_to_ants,
    load_ants,
)
from samr_jax.runtime.processes import run_all

ITERATIONS = 3

SHAPE_STEP = 0.2
"""Share of the way to the subjects' mean shape that the template moves each round."""

_METRIC = ("mattes", 1.0, 32)


@dataclasses.dataclass(frozen=True)
class Member:
    """A training subject on the working grid.

    Attributes:
      images: ``(Z, H, W, S)`` on one scale for all members, 0 outside the brain.
      weight: ``(Z, H, W)``: 1, but 0 in the lesion, which stays out of the average.
    """

    images: np.ndarray
    weight: np.ndarray


MemberTask = Callable[[], Member]


def build_template(
    members: Sequence[MemberTask],
    *,
    guides: Sequence[int],
    grid: Grid,
    iterations: int = ITERATIONS,
    scratch: Path,
    workers: int = -1,
    scheduler: str | None = None,
) -> np.ndarray:
    """Averages subjects in their mean shape.

    Each round registers every subject with the template, first affinely by the first
    guide and then deformably by all guides together. The same transform carries all
    sequences of the subject into the average. Then the template moves against the mean
    deformation.

    Args:
      members: calls that load the training subjects.
      guides: the channels that drive the registration.
      grid: the isotropic grid of the images.
      iterations: number of rounds.
      scratch: a folder that all workers see, for deformations and intermediate images.
      workers: number of processes; -1 takes one for each core.
      scheduler: address of a Dask scheduler, see `samr_jax.runtime.processes`.

    Returns:
      ``(Z, H, W, S)`` float32.
    """
    template = _average(_parts_of(member) for member in members)
    for turn in range(iterations):
        calls = [
            functools.partial(
                _fit_member,
                member,
                template,
                tuple(guides),
                grid,
                f"{scratch}/{index}-",
            )
            for index, member in enumerate(members)
        ]
        fitted = run_all(
            calls,
            label=f"template {turn + 1}/{iterations}",
            workers=workers,
            scheduler=scheduler,
        )
        template = _average(_read_parts(images) for images, _ in fitted)
        template = _to_mean_shape(template, [warp for _, warp in fitted], grid)
    return template


Parts = tuple[np.ndarray, np.ndarray]
"""Images ``(Z, H, W, S)`` and weights ``(Z, H, W)``."""


def _parts_of(load: MemberTask) -> Parts:
    member = load()
    return member.images, member.weight


def _read_parts(path: str) -> Parts:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["images"], arrays["weight"]


def _average(parts: Iterable[Parts]) -> np.ndarray:
    """Weighted mean of subjects that are read one by one.

    Where all weights are 0 it is the plain mean.
    """
    total = weights = plain = 0.0
    count = 0
    for images, weight in parts:
        total = total + images * weight[..., None]
        weights = weights + weight[..., None]
        plain = plain + images
        count += 1
    mean = np.where(weights > 0.5, total / np.maximum(weights, 0.5), plain / count)
    return mean.astype(np.float32)


def _fit_member(
    load: MemberTask,
    template: np.ndarray,
    guides: tuple[int, ...],
    grid: Grid,
    prefix: str,
) -> tuple[str, str]:
    """Registers a subject with the template.

    Returns:
      The file of the images and weights in the template's shape, and the file of the
      deformation.
    """
    ants, member = load_ants(), load()
    fixed = [grid_to_ants(template[..., i], grid) for i in guides]
    moving = [grid_to_ants(member.images[..., i], grid) for i in guides]
    affine = ants.registration(fixed[0], moving[0], "Affine", outprefix=f"{prefix}a")
    metric, weight, bins = _METRIC
    result = ants.registration(
        fixed[0],
        moving[0],
        "SyNOnly",
        initial_transform=affine["fwdtransforms"][0],
        multivariate_extras=[
            [metric, f, m, weight, bins]
            for f, m in zip(fixed[1:], moving[1:], strict=True)
        ],
        outprefix=f"{prefix}s",
    )
    transforms = result["fwdtransforms"]

    def carry(data: np.ndarray) -> np.ndarray:
        image = grid_to_ants(data, grid)
        return grid_from_ants(ants.apply_transforms(fixed[0], image, transforms))

    images = [carry(channel) for channel in np.moveaxis(member.images, -1, 0)]
    path = f"{prefix}carried.npz"
    np.savez(path, images=np.stack(images, axis=-1), weight=carry(member.weight))
    return path, transforms[0]


def _to_mean_shape(
    template: np.ndarray, warps: Sequence[str], grid: Grid
) -> np.ndarray:
    """Moves the template a step against the subjects' mean deformation."""
    ants = load_ants()
    mean = ants.image_read(warps[0]) * 0
    for warp in warps:
        mean = mean + ants.image_read(warp) * (1 / len(warps))
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as file:
        ants.image_write(mean * -SHAPE_STEP, file.name)
        moved = [
            grid_from_ants(ants.apply_transforms(image, image, [file.name]))
            for image in (grid_to_ants(c, grid) for c in np.moveaxis(template, -1, 0))
        ]
    return np.stack(moved, axis=-1)
