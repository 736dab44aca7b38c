"""ANTs, loaded when a step needs it, made repeatable, and in our conventions.

ITK measures in LPS millimetres; NIfTI and this project measure in RAS millimetres.
Every matrix that this module returns maps RAS+ millimetres to RAS+ millimetres.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

from samr_jax.data.subject import Grid
from samr_jax.runtime.errors import InputError

_SEED = 1
"""Seed of ANTs' random sampling; 0 would take the clock."""

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


@functools.cache
def load_ants() -> ModuleType:
    """Imports ANTs once in each process, in the order that makes it repeatable.

    Each process uses one thread. Subjects run in parallel anyway, and sums over several
    threads would depend on their number.

    Raises:
      InputError: ANTs is not installed.
    """
    if not has_ants():
        raise InputError(
            "ANTsPy is not installed, expected it for this step: "
            "pip install 'samr-jax[prepare]'"
        )
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    # This has no effect after any other call of ANTs.
    ants.config.set_ants_deterministic(True, _SEED)
    return ants


def has_ants() -> bool:
    """Whether ANTs is installed. It is not loaded to find out."""
    return importlib.util.find_spec("ants") is not None


def to_ants(data: np.ndarray, affine: np.ndarray):
    """An ANTs image of a volume ``(X, Y, Z)`` with its RAS affine."""
    lps = _FLIP @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return load_ants().from_numpy(
        np.asarray(data, np.float32),
        origin=lps[:3, 3].tolist(),
        spacing=spacing.tolist(),
        direction=lps[:3, :3] / spacing,
    )


def grid_to_ants(data: np.ndarray, grid: Grid):
    """An ANTs image of an array ``(Z, H, W)`` on a grid."""
    return to_ants(np.transpose(data, (2, 1, 0)), grid.affine)


def grid_from_ants(image) -> np.ndarray:
    """The array ``(Z, H, W)`` of an ANTs image; inverse of `grid_to_ants`."""
    return np.transpose(image.numpy(), (2, 1, 0))


def read_matrix(path: str) -> np.ndarray:
    """The 4 x 4 matrix of a linear ANTs transform file, from fixed to moving space."""
    transform = load_ants().read_transform(path)
    parameters = np.asarray(transform.parameters)
    linear, shift = parameters[:9].reshape(3, 3), parameters[9:]
    centre = np.asarray(transform.fixed_parameters)[:3]
    lps = np.eye(4)
    lps[:3, :3] = linear
    lps[:3, 3] = shift + centre - linear @ centre
    return _FLIP @ lps @ _FLIP


def atropos(
    images: list,
    *,
    mask,
    priors: list,
    prior_weight: float,
    smoothness: float,
    iterations: int,
) -> list:
    """Atropos on several ANTs images with prior maps; returns the posterior maps.

    `ants.atropos` ignores ``r=0``, which makes Atropos repeatable, if it is given more
    than one image. This is the same call with ``r=0``.
    """
    load_ants()
    from ants.internal import get_lib_fn, get_pointer_string, process_arguments

    with tempfile.TemporaryDirectory() as scratch:
        for number, prior in enumerate(priors, start=1):
            prior.to_filename(f"{scratch}/prior{number:02d}.nii.gz")
        segmentation = images[0].clone("unsigned int")
        arguments = {
            "d": 3,
            "o": f"[{get_pointer_string(segmentation)},{scratch}/post%02d.nii.gz]",
            "c": f"[{iterations},0]",
            "m": f"[{smoothness},1x1x1]",
            "i": f"PriorProbabilityImages[{len(priors)},{scratch}/prior%02d.nii.gz,"
            f"{prior_weight}]",
            "x": mask.clone("unsigned int"),
            "r": 0,
            **{f"a-MULTINAME-{n}": image for n, image in enumerate(images)},
        }
        if get_lib_fn("Atropos")(process_arguments(arguments)) != 0:
            raise RuntimeError("Atropos failed, the tissue maps cannot be made")
        files = sorted(Path(scratch).glob("post*.nii.gz"))
        return [load_ants().image_read(str(file)) for file in files]
