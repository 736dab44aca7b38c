"""The order of slices by how much lesion they show."""

import numpy as np

from samr_jax.data.lesion_slices import largest_first
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR


def test_slices_are_ordered_by_their_lesion_and_ties_keep_their_order():
    labels = np.full((4, 8, 8), NORMAL, np.uint8)
    labels[1, 0, :3] = EDEMA
    labels[2, :2] = (TUMOR, CAVITY) * 4
    labels[3, 1, :3] = CAVITY
    assert largest_first(labels) == [2, 1, 3, 0]
    assert largest_first(iter(labels), codes=(CAVITY,)) == [2, 3, 0, 1]
