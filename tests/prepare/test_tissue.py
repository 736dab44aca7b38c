"""Tissue maps of a simulated brain, on voxels of 4 mm."""

import numpy as np
import pytest

from samr_jax.data.subject import Grid
from samr_jax.prepare.subject.tissue import tissue_maps
from tests.prepare import skulls as heads

pytestmark = pytest.mark.slow
pytest.importorskip("ants")


def test_empty_space_around_the_brain_changes_nothing():
    """The maps are made in a box around the brain and lie where the brain lies."""
    image, affine = heads.scan("T1w", spacing=(4, 4, 4), box=(240, 272, 240))
    brain = heads.brain_on(image.shape, affine).T
    images, lesion = (image.T * brain)[..., None], np.zeros_like(brain)
    z, y, x = brain.shape
    found = tissue_maps(images, brain, lesion, Grid((y, x), z, affine))

    width = ((3, 7), (0, 5), (6, 2))
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3] @ [6, 0, 3]
    padded = tissue_maps(
        np.pad(images, (*width, (0, 0))),
        np.pad(brain, width),
        np.pad(lesion, width),
        Grid((y + 5, x + 8), z + 10, moved),
    )
    np.testing.assert_allclose(padded[3:-7, :-5, 6:-2], found, atol=1e-5)

    own = [heads.carried(t, image.shape, affine, move=np.eye(4)).T for t in _tissue()]
    real, likeliest = np.argmax(own, axis=0), np.argmax(found, axis=-1)
    scores = [heads.dice((real == k) & brain, (likeliest == k) & brain) for k in (0, 1)]
    print("Dice of WM and GM", scores)
    assert min(scores) > 0.7


def _tissue():
    """The true fractions of WM, GM and CSF, each ``(X, Y, Z)``."""
    return heads.anatomy(0)[0][:3]
