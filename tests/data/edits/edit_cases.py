"""Label maps to edit: phantoms, and heads simple enough to say what must come out."""

import functools

import numpy as np

from samr_jax.data import phantom
from samr_jax.labels import EDEMA, TUMOR

GRID = phantom.grid(64, 6)
SPACING = GRID.spacing[::-1]
PARTS = ("lesion", "edema", "cavity", "tumor")
CODES = {"lesion": (2, 3, 4), "edema": (2,), "cavity": (3,), "tumor": (4,)}


@functools.cache
def patients():
    """Volumes of three patients on `GRID`, all with edema, cavity and tumor."""
    return {
        name: phantom.simulate_subject(
            index, seed=0, grid=GRID, sequences=("T1w",)
        ).labels
        for name, index in (("A", 0), ("C", 4), ("D", 13))
    }


def disc(shape, centre, radius):
    grid = np.indices(shape)
    offset = np.asarray(centre).reshape(-1, *[1] * len(shape))
    return ((grid - offset) ** 2).sum(0) < radius**2


def round_head(size=64, lesion=12.0, core=6.0, centre=(32, 22)):
    """A round brain; a round lesion with a round tumor in its middle."""
    labels = disc((size, size), (31.5, 31.5), 28).astype(np.uint8)
    labels[disc(labels.shape, centre, lesion)] = EDEMA
    labels[disc(labels.shape, centre, core)] = TUMOR
    return labels


def sizes(labels):
    return np.bincount(labels.ravel(), minlength=5)


def of_slice(volume):
    """The slice with most of its rarest lesion label, and its spacing."""
    best = max(volume, key=lambda plane: sizes(plane)[2:].min())
    return best, SPACING[1:]


def painted(region, label):
    """The edit that paints a region, as text, with one run for every voxel."""
    grid = "x".join(map(str, region.shape))
    runs = ";".join(" ".join(map(str, [*voxel, 1])) for voxel in np.argwhere(region))
    return f"paint:label={label},grid={grid},runs={runs}"
