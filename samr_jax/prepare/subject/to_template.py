"""Registers a stripped brain with the MNI152 template."""

from __future__ import annotations

import tempfile

import numpy as np
from scipy import ndimage

from samr_jax.data.nifti import Volume
from samr_jax.data.resample import coarsened
from samr_jax.prepare.subject.ants_bridge import (
    grid_to_ants,
    load_ants,
    read_matrix,
    to_ants,
)
from samr_jax.prepare.subject.reference_brain import reference_brain
from samr_jax.prepare.subject.register import REGISTRATION_SPACING_MM, nearest_rigid


def register_to_template(brain: Volume) -> np.ndarray:
    """The rigid motion from the template to a brain.

    It is the rotation and the shift of the affine registration, since brains differ in
    size.

    Args:
      brain: a scan that is 0 outside the brain, preferably T1-weighted.

    Returns:
      4 x 4, from the template's RAS+ millimetres to the scan's.
    """
    template = reference_brain()
    index = np.array(ndimage.center_of_mass(template.brain))[::-1]
    centre = template.grid.affine[:3, :3] @ index + template.grid.affine[:3, 3]
    return nearest_rigid(fit_affine(brain), centre)


def fit_affine(brain: Volume) -> np.ndarray:
    """The affine map from the template to a brain; see `register_to_template`."""
    ants, template = load_ants(), reference_brain()
    coarse = coarsened(brain.data, brain.affine, REGISTRATION_SPACING_MM)
    with tempfile.TemporaryDirectory() as scratch:
        result = ants.registration(
            grid_to_ants(template.t1, template.grid),
            to_ants(*coarse),
            "Affine",
            outprefix=f"{scratch}/",
        )
        return read_matrix(result["fwdtransforms"][-1])
