"""Which slices show most of a lesion, and which show all of it."""

import numpy as np

from samr_jax.data.lesion_slices import largest_first, spread_out
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR


def test_slices_are_ordered_by_their_lesion_and_ties_keep_their_order():
    labels = np.full((4, 8, 8), NORMAL, np.uint8)
    labels[1, 0, :3] = EDEMA
    labels[2, :2] = (TUMOR, CAVITY) * 4
    labels[3, 1, :3] = CAVITY
    assert largest_first(labels) == [2, 1, 3, 0]
    assert largest_first(iter(labels), codes=(CAVITY,)) == [2, 3, 0, 1]


def test_slices_are_spread_over_the_height_of_a_lesion():
    """Not the largest ones, which are neighbours."""
    labels = np.full((12, 4, 4), NORMAL, np.uint8)
    for index, size in enumerate((0, 5, 1, 2, 9, 10, 8, 2, 1, 0, 3, 7)):
        labels[index].flat[:size] = TUMOR
    assert largest_first(labels)[:3] == [5, 4, 6]
    # 48 pixels: the middles of the thirds are after 8, 24 and 40 pixels.
    assert spread_out(labels, 3) == [3, 5, 10]
    assert spread_out(labels[:2], 3) == [1]
    assert spread_out(labels[:1], 3) == []
